/** How to add a source: lines for the shippers that people already run, with this desk's own addresses filled in. */

import { Link } from '@tanstack/react-router';
import { useAnswer } from './api-queries.ts';
import type { SettingsAnswer } from './api-types.ts';
import { CopyLine } from './copy-line.tsx';
import { texts } from './texts.ts';

const t = texts.sources;

/** Host and port of a listener, as `host:port`; the well-known one when it is not listening. */
function hostPort(settings: SettingsAnswer | undefined, name: string, otherwise: string): [string, string] {
  const listener = settings?.listeners.find((each) => each.name.toLowerCase().includes(name));
  const match = /([^/\s]+):(\d+)\/?$/.exec(listener?.address ?? otherwise);
  return [match?.[1] ?? '127.0.0.1', match?.[2] ?? '5514'];
}

export function AddSource({ open }: { open: boolean }) {
  const settings = useAnswer<SettingsAnswer>('/v1/settings').data;
  const [host, port] = hostPort(settings, 'tcp', '127.0.0.1:5514');
  const { origin } = location;
  const ways: readonly (readonly [string, string])[] = [
    [t.ways.logger, `logger -n ${host} -P ${port} -T "hello from $(hostname)"`],
    [
      t.ways.rsyslog,
      `*.* action(type="omfwd" target="${host}" port="${port}" protocol="tcp" TCP_Framing="octet-counted" queue.type="LinkedList" queue.filename="asepsis" action.resumeRetryCount="-1")`,
    ],
    [
      t.ways.filebeat,
      `output.elasticsearch: { hosts: ["${origin}"], username: "ingest", password: "asp_…", allow_older_versions: true }`,
    ],
    [
      t.ways.curl,
      `curl -H "Authorization: Bearer asp_…" -H "Content-Type: application/x-ndjson" --data-binary @events.ndjson ${origin}/v1/events`,
    ],
    [t.ways.file, 'asepsis import /var/log/auth.log'],
  ];
  return (
    <details className="panel add-source" open={open}>
      <summary>
        <h2>{t.add}</h2>
      </summary>
      <p>
        {t.addText}{' '}
        <Link to="/settings" search={{ tab: 'tokens' }}>
          {t.addToken}
        </Link>
      </p>
      <dl className="ways">
        {ways.map(([name, line]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <CopyLine text={line} label={name} />
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
