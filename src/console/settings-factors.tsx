/** One's own second factors: passkeys, the authenticator app, recovery codes; each change asks for the password again. */

import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ProblemError } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import type { PasskeysAnswer } from './api-types.ts';
import { CopyLine } from './copy-line.tsx';
import { Problem, Waiting } from './notice.tsx';
import { QrCode } from './qr-code.tsx';
import { RecoveryCodes } from './recovery-codes.tsx';
import { texts } from './texts.ts';
import { Ago, localDate } from './time.tsx';

const t = texts.settings.me;
const PATH = '/v1/me/passkeys';

interface AppStarted {
  readonly flow: string;
  readonly secret: string;
  readonly uri: string;
}

/** What can be changed, and what came of it. */
function useFactorWork() {
  const client = useQueryClient();
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState<unknown>(null);
  const [app, setApp] = useState<AppStarted | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const attempt = async (work: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await work();
      await client.invalidateQueries({ queryKey: ['answer', PATH] });
    } catch (caught) {
      setProblem(caught instanceof ProblemError ? caught : new Error(texts.enrol.passkeyFailed));
    }
  };
  const addPasskey = async (name: string) => {
    const { startRegistration } = await import('@simplewebauthn/browser');
    type Options = Parameters<typeof startRegistration>[0]['optionsJSON'];
    const started = await api.post<{ flow: string; options: Options }>(`${PATH}/options`, { password });
    const response = await startRegistration({ optionsJSON: started.options });
    await api.post(PATH, { flow: started.flow, name: name.trim() || t.unnamed, response });
    setPassword('');
  };
  const newCodes = async () => {
    const answer = await api.post<{ recovery_codes: readonly string[] }>('/v1/me/recovery-codes', { password });
    setCodes(answer.recovery_codes);
    setPassword('');
  };
  const startApp = async () => {
    setApp(await api.post<AppStarted>('/v1/me/totp/start', { password }));
    setPassword('');
  };
  const remove = (id: string) => api.delete(`${PATH}/${encodeURIComponent(id)}`, { password });
  return {
    password,
    setPassword,
    problem,
    attempt,
    addPasskey,
    remove,
    app,
    setApp,
    startApp,
    codes,
    setCodes,
    newCodes,
  };
}

export function Factors() {
  const { data, error } = useAnswer<PasskeysAnswer>(PATH);
  const [name, setName] = useState('');
  const work = useFactorWork();
  const { attempt, app, codes } = work;
  return (
    <section className="panel" aria-labelledby="factors">
      <h2 id="factors">{t.passkeys}</h2>
      {!data && !error && <Waiting rows={3} />}
      <Problem error={error} />
      {data && <FactorList factors={data} onRemove={(id) => void attempt(() => work.remove(id))} />}
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(() => work.addPasskey(name).then(() => setName('')));
        }}
      >
        <PasswordInput
          label={t.passwordAgain}
          description={t.passwordAgainHelp}
          value={work.password}
          autoComplete="current-password"
          visibilityToggleButtonProps={{ 'aria-label': texts.signIn.showPassword }}
          onChange={(event) => work.setPassword(event.currentTarget.value)}
        />
        <TextInput
          label={t.passkeyName}
          description={t.passkeyNameHelp}
          value={name}
          maxLength={64}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Problem error={work.problem} />
        <p className="buttons">
          <Button type="submit">{t.addPasskey}</Button>
          <Button onClick={() => void attempt(work.startApp)}>{data?.totp ? t.replaceApp : t.addApp}</Button>
          <Button onClick={() => void attempt(work.newCodes)}>{t.newCodes}</Button>
        </p>
      </form>
      {app && <AppForm app={app} attempt={attempt} onDone={() => work.setApp(null)} />}
      {codes && <RecoveryCodes codes={codes} done={t.codesDone} onDone={() => work.setCodes(null)} />}
    </section>
  );
}

function FactorList({ factors, onRemove }: { factors: PasskeysAnswer; onRemove: (id: string) => void }) {
  return (
    <>
      <p className="dim">{t.factors(factors.totp ?? false, factors.recovery_codes_left)}</p>
      <ul className="plain-list">
        {factors.items.map((passkey) => (
          <li key={passkey.id} className="line">
            <strong>{passkey.name}</strong>
            <span className="dim">
              {t.added(localDate(passkey.created))}
              {passkey.last_used && (
                <>
                  {' · '}
                  {t.used} <Ago at={passkey.last_used} />
                </>
              )}
            </span>
            <Button aria-label={t.removePasskey(passkey.name)} onClick={() => onRemove(passkey.id)}>
              {t.remove}
            </Button>
          </li>
        ))}
      </ul>
    </>
  );
}

interface AppFormProps {
  readonly app: AppStarted;
  readonly attempt: (work: () => Promise<unknown>) => Promise<void>;
  readonly onDone: () => void;
}

function AppForm({ app, attempt, onDone }: AppFormProps) {
  const [code, setCode] = useState('');
  const finish = async () => {
    await api.post('/v1/me/totp/finish', { flow: app.flow, code: code.replaceAll(' ', '') });
    onDone();
  };
  return (
    <form
      className="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(finish);
      }}
    >
      <p>{texts.enrol.appText}</p>
      <QrCode text={app.uri} label={texts.enrol.qr} />
      <p>{texts.enrol.secret}</p>
      <CopyLine text={app.secret} label={texts.enrol.secretLabel} />
      <TextInput
        label={texts.enrol.code}
        description={texts.enrol.codeHelp}
        value={code}
        required
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={16}
        onChange={(event) => setCode(event.currentTarget.value)}
      />
      <p className="buttons">
        <Button type="submit" variant="filled">
          {texts.enrol.checkCode}
        </Button>
        <Button onClick={onDone}>{texts.cancel}</Button>
      </p>
    </form>
  );
}
