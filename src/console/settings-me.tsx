/** One's own account: how the desk looks, second factors, where one is signed in, the password. */

import { Button, PasswordInput, SegmentedControl, TextInput, useMantineColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ProblemError } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import type { Page, PasskeysAnswer, SessionRow } from './api-types.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { Ago, localDate } from './time.tsx';

const t = texts.settings.me;

export default function SettingsMe() {
  return (
    <>
      <Appearance />
      <Passkeys />
      <Sessions />
      <Password />
    </>
  );
}

function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <section className="panel" aria-labelledby="appearance">
      <h2 id="appearance">{t.appearance}</h2>
      <SegmentedControl
        aria-labelledby="appearance"
        value={colorScheme}
        onChange={(value) => setColorScheme(value as 'auto' | 'light' | 'dark')}
        data={(['auto', 'light', 'dark'] as const).map((value) => ({ value, label: t.schemes[value] }))}
      />
    </section>
  );
}

function Passkeys() {
  const client = useQueryClient();
  const { data, error } = useAnswer<PasskeysAnswer>('/v1/me/passkeys');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState<unknown>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ['answer', '/v1/me/passkeys'] });
  const attempt = async (work: () => Promise<void>) => {
    setProblem(null);
    try {
      await work();
      setPassword('');
      await refresh();
    } catch (caught) {
      setProblem(caught instanceof ProblemError ? caught : new Error(texts.enrol.passkeyFailed));
    }
  };
  const add = async () => {
    const { startRegistration } = await import('@simplewebauthn/browser');
    const started = await api.post<{ flow: string; options: Parameters<typeof startRegistration>[0]['optionsJSON'] }>(
      '/v1/me/passkeys/options',
      { password },
    );
    const response = await startRegistration({ optionsJSON: started.options });
    await api.post('/v1/me/passkeys', { flow: started.flow, name: name.trim() || t.unnamed, response });
    setName('');
  };
  return (
    <section className="panel" aria-labelledby="passkeys">
      <h2 id="passkeys">{t.passkeys}</h2>
      {!data && !error && <Waiting rows={3} />}
      <Problem error={error} />
      {data && (
        <>
          <p className="dim">{t.factors(data.totp ?? false, data.recovery_codes_left)}</p>
          <ul className="plain-list">
            {data.items.map((passkey) => (
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
                <Button
                  aria-label={t.removePasskey(passkey.name)}
                  onClick={() =>
                    void attempt(() => api.delete(`/v1/me/passkeys/${encodeURIComponent(passkey.id)}`, { password }))
                  }
                >
                  {t.remove}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(add);
        }}
      >
        <PasswordInput
          label={t.passwordAgain}
          description={t.passwordAgainHelp}
          value={password}
          autoComplete="current-password"
          visibilityToggleButtonProps={{ 'aria-label': texts.signIn.showPassword }}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <TextInput
          label={t.passkeyName}
          description={t.passkeyNameHelp}
          value={name}
          maxLength={64}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Problem error={problem} />
        <p className="buttons">
          <Button type="submit">{t.addPasskey}</Button>
        </p>
      </form>
    </section>
  );
}

function Sessions() {
  const client = useQueryClient();
  const { data, error } = useAnswer<Page<SessionRow>>('/v1/me/sessions');
  const [problem, setProblem] = useState<unknown>(null);
  const end = async (id: string) => {
    setProblem(null);
    await api.delete(`/v1/sessions/${id}`).catch(setProblem);
    await client.invalidateQueries({ queryKey: ['answer', '/v1/me/sessions'] });
  };
  return (
    <section className="panel" aria-labelledby="sessions">
      <h2 id="sessions">{t.sessions}</h2>
      <Problem error={error ?? problem} />
      {!data && !error && <Waiting rows={3} />}
      <ul className="plain-list">
        {data?.items.map((session) => (
          <li key={session.id} className="line">
            <span>
              <strong>{browserOf(session.user_agent)}</strong> <span className="mono">{session.address}</span>{' '}
              <span className="dim">
                {session.factors.join(' + ')} · {t.seen} <Ago at={session.last_seen} />
              </span>
            </span>
            {session.current ? (
              <span>{t.thisOne}</span>
            ) : (
              <Button
                aria-label={t.endSession(browserOf(session.user_agent), session.address)}
                onClick={() => void end(session.id)}
              >
                {t.end}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The browser's name out of its long signature: enough to know one's own again. */
function browserOf(agent: string): string {
  for (const name of ['Edg', 'OPR', 'Firefox', 'Chrome', 'Safari', 'curl'])
    if (agent.includes(name)) return name === 'Edg' ? 'Edge' : name === 'OPR' ? 'Opera' : name;
  return agent.slice(0, 40);
}

function Password() {
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [problem, setProblem] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const submit = async () => {
    setProblem(null);
    setDone(false);
    try {
      await api.post('/v1/me/password', { password: old, new_password: fresh });
      setOld('');
      setFresh('');
      setDone(true);
    } catch (caught) {
      setProblem(caught);
    }
  };
  return (
    <section className="panel" aria-labelledby="password">
      <h2 id="password">{t.password}</h2>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <PasswordInput
          label={t.oldPassword}
          value={old}
          required
          autoComplete="current-password"
          visibilityToggleButtonProps={{ 'aria-label': texts.signIn.showPassword }}
          onChange={(event) => setOld(event.currentTarget.value)}
        />
        <PasswordInput
          label={t.newPassword}
          description={texts.enrol.passwordRules}
          value={fresh}
          required
          minLength={8}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': texts.signIn.showPassword }}
          onChange={(event) => setFresh(event.currentTarget.value)}
        />
        <Problem error={problem} />
        <p className="buttons">
          <Button type="submit">{t.changePassword}</Button>
          <span role="status">{done && t.passwordChanged}</span>
        </p>
      </form>
    </section>
  );
}
