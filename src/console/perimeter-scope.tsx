/** The scope of the perimeter: its file, what it would touch, and putting it in force. */

import { Button, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { CopyLine } from './copy-line.tsx';
import { Problem } from './notice.tsx';
import { useMayRespond } from './response-form.tsx';
import { texts } from './texts.ts';

const t = texts.perimeter;
const SHOWN = 100;

interface Preview {
  readonly targets: readonly { host: string; address: string }[];
  readonly more: number;
  readonly not_touched: readonly string[];
  readonly signed: boolean;
  readonly signature: string | null;
}

export function PerimeterScope() {
  const client = useQueryClient();
  const { lead } = useMayRespond();
  const installed = useAnswer<{ text: string }>('/v1/perimeter/scope', lead);
  const mayInstall = useSession()?.person?.role === 'administrator';
  const [text, setText] = useState<string | null>(null);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const value = text ?? installed.data?.text ?? '';
  const attempt = async (work: () => Promise<void>) => {
    setError(null);
    setDone(false);
    try {
      await work();
    } catch (caught) {
      setError(caught);
    }
  };
  if (!lead) return <p>{t.scopeNotYours}</p>;
  const show = () => attempt(async () => setPreview(await api.post<Preview>('/v1/perimeter/preview', { text: value })));
  const install = () =>
    attempt(async () => {
      await api.post('/v1/perimeter/scope', { text: value });
      setDone(true);
      await client.invalidateQueries();
    });
  return (
    <section aria-label={t.tabs.scope} className="stack">
      {installed.data?.text === '' && (
        <>
          <p>{t.scopeSteps}</p>
          <CopyLine text={t.command} label={t.tabs.scope} />
        </>
      )}
      <Textarea
        label={t.scopeText}
        description={t.scopeHint}
        value={value}
        autosize
        minRows={12}
        maxRows={30}
        spellCheck={false}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setPreview(null);
          setDone(false);
        }}
        classNames={{ input: 'mono' }}
      />
      <div className="buttons">
        <Button onClick={() => void show()} disabled={value.trim() === ''}>
          {t.preview}
        </Button>
        {mayInstall && preview?.signed && text !== null && text !== installed.data?.text && (
          <Button onClick={() => void install()}>{t.install}</Button>
        )}
      </div>
      {error !== null && <Problem error={error} />}
      {done && <p role="status">{t.installed}</p>}
      {preview && (
        <div aria-live="polite">
          <p>
            {t.would(preview.targets.length + preview.more)} {preview.signed ? t.signed : preview.signature}
          </p>
          <ul className="plain-list">
            {preview.targets.slice(0, SHOWN).map(({ host, address }) => (
              <li key={`${host} ${address}`} className="mono">
                {host === address ? address : `${host} → ${address}`}
              </li>
            ))}
            {preview.targets.length + preview.more > SHOWN && (
              <li className="dim">{t.moreTargets(preview.targets.length + preview.more - SHOWN)}</li>
            )}
          </ul>
          {preview.not_touched.length > 0 && (
            <>
              <h2>{t.notTouched}</h2>
              <ul className="plain-list">
                {preview.not_touched.map((sentence) => (
                  <li key={sentence}>{sentence}</li>
                ))}
              </ul>
            </>
          )}
        </div>
      )}
    </section>
  );
}
