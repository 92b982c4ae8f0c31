/** Enrolling somebody's second factor: a one-time link, or a code at the help desk after an identity check. */

import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Rfc3339 } from '../core/time.ts';
import { api } from './api-client.ts';
import { CopyLine } from './copy-line.tsx';
import { Problem } from './notice.tsx';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

const t = texts.access.enrol;
type Kind = 'link' | 'desk';

export function AccessEnrol() {
  const [account, setAccount] = useState('');
  const [kind, setKind] = useState<Kind>('link');
  const [identity, setIdentity] = useState('');
  const [reset, setReset] = useState(false);
  const [local, setLocal] = useState(false);
  const [made, setMade] = useState<{ link: string; expires: Rfc3339 } | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const submit = async () => {
    setProblem(null);
    setMade(null);
    try {
      const known = kind === 'desk' || identity !== '' ? { identity } : {};
      setMade(
        await api.post<{ link: string; expires: Rfc3339 }>('/v1/access/enrolments', {
          account: account.trim(),
          kind,
          reset,
          local,
          ...known,
        }),
      );
    } catch (caught) {
      setProblem(caught);
    }
  };
  return (
    <section className="panel" aria-labelledby="access-enrol">
      <h2 id="access-enrol">{t.title}</h2>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextInput
          label={t.account}
          value={account}
          required
          maxLength={256}
          onChange={(event) => setAccount(event.currentTarget.value)}
        />
        <NativeSelect
          label={t.kind}
          value={kind}
          data={[
            { value: 'link', label: t.link },
            { value: 'desk', label: t.desk },
          ]}
          onChange={(event) => setKind(event.currentTarget.value as Kind)}
        />
        {kind === 'desk' && (
          <TextInput
            label={t.identity}
            description={t.identityHelp}
            value={identity}
            required
            minLength={5}
            maxLength={512}
            onChange={(event) => setIdentity(event.currentTarget.value)}
          />
        )}
        <Checkbox label={t.local} checked={local} onChange={(event) => setLocal(event.currentTarget.checked)} />
        <Checkbox label={t.reset} checked={reset} onChange={(event) => setReset(event.currentTarget.checked)} />
        <Problem error={problem} />
        <p className="buttons">
          <Button type="submit" variant="filled">
            {t.make}
          </Button>
        </p>
      </form>
      <div role="status">
        {made && (
          <>
            <p>
              {t.once} {t.until} <Moment at={made.expires} />.
            </p>
            <CopyLine text={made.link} label={t.linkLabel} />
          </>
        )}
      </div>
    </section>
  );
}
