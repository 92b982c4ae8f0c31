/** One's own account: how the desk looks, second factors, where one is signed in, the password. */

import { Button, PasswordInput, SegmentedControl, useMantineColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import type { Page, SessionRow } from './api-types.ts';
import { Problem, Waiting } from './notice.tsx';
import { Factors } from './settings-factors.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

const t = texts.settings.me;

export default function SettingsMe() {
  return (
    <>
      <Appearance />
      <Factors />
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
