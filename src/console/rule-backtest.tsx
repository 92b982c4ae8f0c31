/** A rule changed and tried on the last 30 days of the archive, before anybody puts it into force. */

import { Button, Textarea } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from './api-client.ts';
import { Problem, Waiting } from './notice.tsx';
import { detectionTexts } from './texts-detection.ts';
import { Moment } from './time.tsx';

const t = detectionTexts.rules;

interface Tried {
  readonly sentence: string;
  readonly complete: boolean;
  readonly sample: readonly { readonly time: string; readonly title: string; readonly event: string | null }[];
}

export function Backtest({ rule }: { rule: { readonly id: string } }) {
  const [text, setText] = useState<string | null>(null);
  const [tried, setTried] = useState<Tried | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const guard = (work: () => Promise<void>) => {
    setError(null);
    setBusy(true);
    work()
      .catch(setError)
      .finally(() => setBusy(false));
  };
  const open = () =>
    guard(async () => {
      const path = `/v1/detection/rules/${encodeURIComponent(rule.id)}/source`;
      setText((await api.get<{ text: string }>(path)).text);
    });
  const test = () =>
    guard(async () => setTried(await api.post<Tried>('/v1/detection/backtest', { text, against: rule.id })));
  return (
    <section>
      <h3>{t.backtest}</h3>
      {text === null ? (
        <Button onClick={open}>{t.backtestOpen}</Button>
      ) : (
        <form
          aria-label={t.backtest}
          onSubmit={(event) => {
            event.preventDefault();
            test();
          }}
        >
          <Textarea
            label={t.backtestText}
            description={t.backtestHelp}
            value={text}
            autosize
            minRows={8}
            maxRows={24}
            maxLength={131_072}
            classNames={{ input: 'mono' }}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <p>
            <Button type="submit" disabled={busy || text.trim() === ''}>
              {t.backtestGo}
            </Button>
          </p>
        </form>
      )}
      <Problem error={error} />
      {busy && <Waiting rows={2} />}
      {tried && !busy && (
        <>
          <p role="status">
            {tried.sentence} {!tried.complete && t.backtestPart}
          </p>
          <ul className="plain-list">
            {tried.sample.slice(0, 20).map(({ time, title, event }) => (
              <li key={`${time} ${title} ${event}`}>
                <Moment at={time} />{' '}
                {event === null ? (
                  title
                ) : (
                  <Link to="/events" search={{ id: event, range: '30d' }}>
                    {title}
                  </Link>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
