/** A plan for other programs: iCalendar (RFC 5545), CSV, and an Ansible inventory with a playbook skeleton. */

import type { PlanTask, Schedule } from './plan-schedule.ts';

export interface ExportedPlan extends Schedule {
  readonly id: string;
  readonly name: string;
  readonly changed: string;
  readonly status: ReadonlyMap<string, string>;
}

/** RFC 5545 section 3.1: lines of at most 75 octets, continued with a space; never inside a character. */
function folded(line: string): string {
  let text = '';
  let octets = 0;
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (octets + size > 74) {
      text += '\r\n ';
      octets = 1;
    }
    text += character;
    octets += size;
  }
  return text;
}

const escaped = (text: string) =>
  text
    .replace(/\\/g, '\\\\')
    .replace(/;/g, '\\;')
    .replace(/,/g, '\\,')
    .replace(/\r?\n/g, '\\n')
    .replace(/\p{Cc}/gu, ' ');
const utc = (time: string) => new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '');

export function planCalendar(plan: ExportedPlan): string {
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//Asepsis//Patching//EN',
    'CALSCALE:GREGORIAN',
    `X-WR-CALNAME:${escaped(plan.name)}`,
  ];
  for (const task of plan.tasks)
    lines.push(
      'BEGIN:VEVENT',
      `UID:${escaped(`${plan.id}-${task.id}`.replace(/[^A-Za-z0-9_.-]/g, '-'))}@asepsis`,
      `DTSTAMP:${utc(plan.changed)}`,
      `DTSTART:${utc(task.starts)}`,
      `DTEND:${utc(task.ends)}`,
      `SUMMARY:${escaped(`${task.asset.name}: ${task.actions.length === 1 ? (task.actions[0]?.title ?? '') : `${task.actions.length} actions`}${task.reboot ? ', restart' : ''}`)}`,
      `DESCRIPTION:${escaped(describe(task))}`,
      ...(task.asset.department === null ? [] : [`LOCATION:${escaped(task.asset.department)}`]),
      `STATUS:${plan.status.get(task.id) === 'skipped' ? 'CANCELLED' : 'CONFIRMED'}`,
      'TRANSP:OPAQUE',
      'END:VEVENT',
    );
  lines.push('END:VCALENDAR');
  return `${lines.map(folded).join('\r\n')}\r\n`;
}

const describe = (task: PlanTask) =>
  [
    ...task.actions.map((action) => `${action.title}. Back: ${action.rollback}`),
    ...(task.due === null
      ? []
      : [`Deadline ${task.due.slice(0, 10)}${task.lateDays > 0 ? `, ${task.lateDays} days late` : ''}`]),
    ...(task.approval === null ? [] : [task.approval]),
  ].join('\n');

/** Cells that a spreadsheet would take for a formula get a quote in front. */
const cell = (text: string) => {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",;\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};

export function planCsv(plan: ExportedPlan): string {
  const rows = [
    [
      'asset',
      'department',
      'window',
      'starts',
      'ends',
      'actions',
      'restart',
      'deadline',
      'late_days',
      'rollback',
      'approval',
      'status',
    ],
  ];
  for (const task of plan.tasks)
    rows.push([
      task.asset.name,
      task.asset.department ?? '',
      task.window,
      task.starts,
      task.ends,
      task.actions.map((action) => action.title).join(' | '),
      task.reboot ? 'yes' : 'no',
      task.due ?? '',
      String(task.lateDays),
      [...new Set(task.actions.map((action) => action.rollback))].join(' | '),
      task.approval ?? '',
      plan.status.get(task.id) ?? 'planned',
    ]);
  return `${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

/** What Ansible takes as a host's name and as a plain scalar; everything else is left out with a comment. */
const hostName = (name: string) => (/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(name) ? name : null);

export interface AnsiblePackage {
  readonly host: string;
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string | null;
}

/**
 * A YAML inventory with one group a window, and a playbook that installs the packages of each host, window by window.
 * Names come from inventories, which an attacker may have written: only plain ones are used.
 */
export function planAnsible(
  plan: ExportedPlan,
  packages: readonly AnsiblePackage[],
): { inventory: string; playbook: string } {
  const windows = [...new Set(plan.tasks.map((task) => task.window))];
  const group = (window: string) => `window_${window.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 60)}`;
  const inventory = ['all:', '  children:'];
  for (const window of windows) {
    inventory.push(`    ${group(window)}:`, '      hosts:');
    for (const task of plan.tasks.filter((one) => one.window === window)) {
      const name = hostName(task.asset.name);
      if (name === null) {
        inventory.push('        # one asset is left out: its name cannot be written here');
        continue;
      }
      inventory.push(
        `        ${JSON.stringify(name)}:`,
        `          asepsis_restart: ${task.reboot}`,
        '          asepsis_packages:',
      );
      const own = packages.filter(
        (one) => one.host === task.asset.name && /^[A-Za-z0-9][A-Za-z0-9+._:-]{0,120}$/.test(one.name),
      );
      if (own.length === 0) inventory[inventory.length - 1] = '          asepsis_packages: []';
      for (const one of own)
        inventory.push(
          `            - { name: ${JSON.stringify(one.name)}, ecosystem: ${JSON.stringify(one.ecosystem)}, at_least: ${JSON.stringify(one.version ?? 'newest')} }`,
        );
    }
  }
  const playbook = windows.flatMap((window) => [
    `- name: ${JSON.stringify(`Asepsis plan, ${group(window)}`)}`,
    `  hosts: ${group(window)}`,
    '  become: true',
    '  serial: 1            # one at a time: care goes on while one is worked on',
    '  tasks:',
    '    - name: Note what was installed before, for the way back',
    '      ansible.builtin.package_facts:',
    '    - name: Upgrade on Debian and Ubuntu (source packages: their binaries that are installed)',
    '      ansible.builtin.apt:',
    "        name: \"{{ asepsis_packages | map(attribute='name') | select('in', ansible_facts.packages) | list }}\"",
    '        state: latest',
    '        only_upgrade: true',
    '        update_cache: true',
    "      when: ansible_facts['os_family'] == 'Debian'",
    '    - name: Upgrade on Red Hat and its relatives',
    '      ansible.builtin.dnf:',
    '        name: "{{ asepsis_packages | map(attribute=\'name\') | list }}"',
    '        state: latest',
    '        update_only: true',
    "      when: ansible_facts['os_family'] == 'RedHat'",
    '    - name: Restart where the plan says so',
    '      ansible.builtin.reboot:',
    '      when: asepsis_restart | bool',
  ]);
  return { inventory: `${inventory.join('\n')}\n`, playbook: `---\n${playbook.join('\n')}\n` };
}
