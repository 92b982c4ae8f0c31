/** What is configured: read-only, with the keys of the YAML file where each is changed. */

import { useAnswer } from './api-queries.ts';
import type { SettingsAnswer } from './api-types.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';

const t = texts.settings.configuration;

export default function SettingsConfiguration() {
  const { data, error } = useAnswer<SettingsAnswer>('/v1/settings');
  if (!data) return error ? <Problem error={error} /> : <Waiting rows={10} />;
  const { archive, stream, notify } = data;
  const groups: readonly { id: string; title: string; rows: readonly (readonly [string, string, string])[] }[] = [
    {
      id: 'retention',
      title: t.retention,
      rows: [
        ['archive.retention_days', t.archiveDays, t.days(archive.retention_days)],
        ['stream.retention_hours', t.streamHours, t.hours(stream.retention_hours)],
        ['stream.retention_mb', t.streamSize, `${stream.retention_mb.toLocaleString('en')} MB`],
        ['store.url', t.store, data.store],
      ],
    },
    {
      id: 'notifications',
      title: t.notifications,
      rows: [
        ['notify.level', t.level, notify.level],
        ['notify.webhook.url', t.webhook, notify.webhook ?? t.off],
        ['notify.email.to', t.email, notify.email.join(', ') || t.off],
      ],
    },
  ];
  return (
    <>
      <p>{t.text}</p>
      {groups.map((group) => (
        <section className="panel" aria-labelledby={group.id} key={group.id}>
          <h2 id={group.id}>{group.title}</h2>
          <div className="scroll-x">
            <table className="plain wide">
              <thead>
                <tr>
                  <th scope="col">{t.setting}</th>
                  <th scope="col">{t.value}</th>
                  <th scope="col">{t.key}</th>
                </tr>
              </thead>
              <tbody>
                {group.rows.map(([key, name, value]) => (
                  <tr key={key}>
                    <th scope="row">{name}</th>
                    <td>{value}</td>
                    <td>
                      <code>{key}</code>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ))}
      <section className="panel" aria-labelledby="outbox">
        <h2 id="outbox">{t.outbox}</h2>
        {data.outbox.length === 0 && <p className="dim">{t.outboxEmpty}</p>}
        <ul className="plain-list">
          {data.outbox.map((item, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: waiting messages have no name of their own
            <li key={index}>{t.waiting(item.channel, item.attempts, item.last_error)}</li>
          ))}
        </ul>
      </section>
      <section className="panel" aria-labelledby="listeners">
        <h2 id="listeners">{t.listeners}</h2>
        <ul className="plain-list">
          {data.listeners.map((listener) => (
            <li key={listener.name}>
              {listener.name} <code>{listener.address}</code>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
