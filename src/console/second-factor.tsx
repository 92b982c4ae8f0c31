/** The second step of signing in: a passkey, a code of the authenticator app, or a recovery code. */

import { Button, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { api, ProblemError } from './api-client.ts';
import { Problem } from './notice.tsx';
import { texts } from './texts.ts';

const t = texts.signIn;
export type Method = 'passkey' | 'totp' | 'recovery';

interface SecondFactorProps {
  readonly flow: string;
  readonly methods: readonly Method[];
  readonly onDone: () => Promise<void>;
  readonly onBack: () => void;
}

export function SecondFactor({ flow, methods, onDone, onBack }: SecondFactorProps) {
  const [method, setMethod] = useState<Method>(methods[0] ?? 'totp');
  const [code, setCode] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const attempt = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
      await onDone();
    } catch (caught) {
      setProblem(caught instanceof ProblemError ? caught : new Error(t.passkeyFailed));
      setBusy(false);
    }
  };
  const passkey = async () => {
    const { startAuthentication } = await import('@simplewebauthn/browser');
    const optionsJSON = await api.post<Parameters<typeof startAuthentication>[0]['optionsJSON']>(
      '/v1/sign-in/passkey/options',
      { flow },
    );
    const response = await startAuthentication({ optionsJSON });
    await api.post('/v1/sign-in/passkey', { flow, response });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (method === 'passkey') void attempt(passkey);
    else void attempt(() => api.post(`/v1/sign-in/${method}`, { flow, code: code.trim() }));
  };
  return (
    <form onSubmit={submit} className="inline-form">
      <h2>{t.second}</h2>
      <p>{t.methodTexts[method]}</p>
      {method !== 'passkey' && (
        <TextInput
          key={method}
          label={method === 'totp' ? t.code : t.recoveryCode}
          value={code}
          required
          autoFocus
          size="sm"
          classNames={{ input: 'mono' }}
          inputMode={method === 'totp' ? 'numeric' : 'text'}
          autoComplete="one-time-code"
          maxLength={64}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
      )}
      <Problem error={problem} />
      <p className="buttons">
        <Button type="submit" variant="filled" size="sm" disabled={busy}>
          {method === 'passkey' ? t.usePasskey : t.enter}
        </Button>
        <Button size="sm" onClick={onBack}>
          {t.back}
        </Button>
      </p>
      {methods.length > 1 && (
        <ul className="plain-list">
          {methods
            .filter((other) => other !== method)
            .map((other) => (
              <li key={other}>
                <button
                  type="button"
                  className="link"
                  onClick={() => {
                    setMethod(other);
                    setCode('');
                    setProblem(null);
                  }}
                >
                  {t.instead[other]}
                </button>
              </li>
            ))}
        </ul>
      )}
    </form>
  );
}
