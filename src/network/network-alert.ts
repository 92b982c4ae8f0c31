/** Signs of somebody in the middle as alerts: what a finding keeps, people must see at once. Pure. */

import { createHash } from 'node:crypto';
import { type Alert, type AlertId, contentId, type Finding, type Rfc3339 } from '../core/index.ts';

/** Kinds that somebody does on purpose, with their technique (MITRE ATT&CK). */
const TECHNIQUES: Readonly<Record<string, readonly string[]>> = {
  'arp-spoofing': ['attack.credential-access', 'attack.t1557.002'],
  'arp-conflict': ['attack.credential-access', 'attack.t1557.002'],
  'rogue-dhcp-server': ['attack.credential-access', 'attack.t1557.003'],
  'name-poisoning': ['attack.credential-access', 'attack.t1557.001'],
  'dns-conflicting-answers': ['attack.credential-access', 'attack.t1557'],
  'icmp-redirect': ['attack.credential-access', 'attack.t1557'],
  'certificate-differs': ['attack.credential-access', 'attack.t1557'],
  'starttls-stripped': ['attack.credential-access', 'attack.t1557'],
  'unexpected-router-advertisement': ['attack.credential-access', 'attack.t1557'],
};

/** One alert a finding and day: the same liar tomorrow is news again, in the next minute it is not. */
export function middleAlerts(findings: readonly Finding[], sensor: string, received: Rfc3339): Alert[] {
  return findings.flatMap((finding): Alert[] => {
    const tags = TECHNIQUES[finding.kind];
    const evidence = finding.evidence[0];
    if (tags === undefined || evidence === undefined || finding.severity === 'low' || finding.state !== 'open')
      return [];
    const time = evidence.seen;
    const digest = createHash('sha256')
      .update(`${finding.id} ${time.slice(0, 10)}`)
      .digest();
    const suspect = evidence.data?.suspect ?? evidence.data?.mac;
    const flows = evidence.data?.flows;
    return [
      {
        id: contentId<AlertId>('alert', digest),
        rule: {
          id: `network-${finding.kind}`,
          title: finding.title,
          level: finding.severity,
          tags: [...tags],
          description:
            `${finding.detail ?? ''}${typeof flows === 'string' ? ` Readable meanwhile: ${flows}` : ''}`.slice(0, 1900),
          false_positives: ['Fail-over pairs, replaced machines and proxies of yours that nobody named yet'],
          response: finding.fix.how,
        },
        title: finding.title.slice(0, 250),
        time,
        received,
        source: { name: `sensor ${sensor}` },
        entities: [
          { type: 'host', value: finding.asset.name },
          ...(typeof suspect === 'string' ? [{ type: 'host' as const, value: suspect }] : []),
        ],
        events: [],
        event_count: 1,
        matched: [{ field: finding.kind, value: evidence.what.slice(0, 1900), words: [] }],
        state: 'new',
        retrospective: false,
        exercise: finding.exercise,
      },
    ];
  });
}
