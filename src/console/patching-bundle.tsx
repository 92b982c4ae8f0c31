/** Feeds to and from a network without internet: the signed bundle out, and in again with its progress. */

import { Button, Checkbox, TextInput } from '@mantine/core';
import { useRef, useState } from 'react';
import { api, withParams } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import { CopyLine } from './copy-line.tsx';
import { Problem } from './notice.tsx';
import { texts } from './texts.ts';

const t = texts.patching.feeds;

export function FeedBundle({
  data,
  onStarted,
}: {
  data: {
    readonly generation: number | null;
    readonly running: string | null;
    readonly trusted: readonly string[];
  };
  onStarted: () => void;
}) {
  const own = useAnswer<{ key: string; fingerprint: string }>('/v1/patching/feeds/key');
  const file = useRef<HTMLInputElement>(null);
  const [trust, setTrust] = useState('');
  const [older, setOlder] = useState(false);
  const [sent, setSent] = useState<number | null>(null);
  const [missing, setMissing] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const take = async () => {
    const chosen = file.current?.files?.[0];
    setError(null);
    setMissing(chosen === undefined);
    if (chosen === undefined) return;
    setSent(0);
    try {
      const path = withParams('/v1/patching/feeds/import', {
        trust: trust.trim(),
        allow_older: older ? 'true' : undefined,
      });
      await api.upload(path, chosen, (part) => setSent(Math.floor(part * 100)));
      onStarted();
    } catch (problem) {
      setError(problem);
    }
    setSent(null);
  };
  return (
    <section className="panel" aria-labelledby="bundle">
      <h2 id="bundle">{t.carry}</h2>
      <p className="dim">{t.carryText}</p>
      {data.generation !== null && (
        <p>
          <a href="/v1/patching/feeds/export" download>
            {t.export}
          </a>
        </p>
      )}
      {own.data && (
        <>
          <p className="dim">
            {t.key} <span className="mono">{own.data.fingerprint}</span>
          </p>
          <CopyLine text={own.data.key} />
        </>
      )}
      <form
        className="inline-form"
        aria-label={t.import}
        onSubmit={(event) => {
          event.preventDefault();
          void take();
        }}
      >
        <label htmlFor="bundle-file">{t.file}</label>
        <input id="bundle-file" ref={file} type="file" aria-invalid={missing} />
        {missing && <p role="alert">{t.fileMissing}</p>}
        <TextInput
          label={t.trust}
          description={t.trusted(data.trusted)}
          value={trust}
          maxLength={1000}
          onChange={(event) => setTrust(event.currentTarget.value)}
        />
        <Checkbox label={t.older} checked={older} onChange={(event) => setOlder(event.currentTarget.checked)} />
        <Problem error={error} />
        <p className="buttons">
          <Button type="submit" variant="filled" disabled={data.running !== null || sent !== null}>
            {t.import}
          </Button>
          {sent !== null && <span role="status">{t.sending(sent)}</span>}
        </p>
      </form>
    </section>
  );
}
