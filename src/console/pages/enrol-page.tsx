/** Making an account from a one-time link: name and password, a second factor, recovery codes. */

import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useParams, useRouter } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import type { Role } from '../../core/store-port.ts';
import { api, readSession } from '../api-client.ts';
import { sessionQuery, useAnswer } from '../api-queries.ts';
import { EnrolFactor, type Started } from '../enrol-factor.tsx';
import { Problem, Waiting } from '../notice.tsx';
import { RecoveryCodes } from '../recovery-codes.tsx';
import { texts } from '../texts.ts';
import { Moment } from '../time.tsx';

const t = texts.enrol;

interface Invitation {
  readonly role: Role;
  readonly username: string | null;
  readonly expires: string;
}

export default function EnrolPage() {
  const { token } = useParams({ from: '/enrol/$token' });
  const path = `/v1/enrol/${encodeURIComponent(token)}`;
  const client = useQueryClient();
  const router = useRouter();
  const invitation = useAnswer<Invitation>(path);
  const [started, setStarted] = useState<Started | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  useEffect(() => {
    document.title = `${t.title} · Asepsis`;
  }, []);
  const enter = async () => {
    client.setQueryData(sessionQuery.queryKey, await readSession());
    await router.navigate({ to: '/', replace: true });
  };
  const step = codes ? 3 : started ? 2 : 1;
  return (
    <main className="card-page">
      <div className="card">
        <h1>{t.title}</h1>
        <p className="dim">{t.step(step)}</p>
        {invitation.error && !codes && <Problem error={invitation.error} />}
        {invitation.isPending && <Waiting rows={6} />}
        {codes ? (
          <RecoveryCodes codes={codes} done={t.enter} onDone={() => void enter()} />
        ) : started ? (
          <EnrolFactor path={path} started={started} onDone={setCodes} onBack={() => setStarted(null)} />
        ) : (
          invitation.data && <NameForm path={path} invitation={invitation.data} onDone={setStarted} />
        )}
      </div>
    </main>
  );
}

function NameForm({
  path,
  invitation,
  onDone,
}: {
  path: string;
  invitation: Invitation;
  onDone: (started: Started) => void;
}) {
  const [username, setUsername] = useState(invitation.username ?? '');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const body = { username: username.trim(), display_name: name.trim(), password };
      onDone(await api.post<Started>(`${path}/start`, body));
    } catch (caught) {
      setProblem(caught);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="inline-form">
      <p>
        {t.invited(texts.roles[invitation.role])} {t.until} <Moment at={invitation.expires} />
      </p>
      <TextInput
        label={t.username}
        value={username}
        required
        size="sm"
        readOnly={invitation.username !== null}
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={64}
        onChange={(event) => setUsername(event.currentTarget.value)}
      />
      <TextInput
        label={t.name}
        description={t.nameHelp}
        value={name}
        required
        size="sm"
        autoComplete="name"
        maxLength={128}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <PasswordInput
        label={t.password}
        description={t.passwordRules}
        value={password}
        required
        minLength={8}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': texts.signIn.showPassword }}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      <Problem error={problem} />
      <p className="buttons">
        <Button type="submit" variant="filled" size="sm" disabled={busy}>
          {t.next}
        </Button>
      </p>
    </form>
  );
}
