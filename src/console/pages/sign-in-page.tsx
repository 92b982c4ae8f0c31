/** Signing in: name and password, then the second factor. */

import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { api, readSession } from '../api-client.ts';
import { sessionQuery } from '../api-queries.ts';
import { CopyLine } from '../copy-line.tsx';
import { useFilters } from '../filters.ts';
import { Problem } from '../notice.tsx';
import { type Method, SecondFactor } from '../second-factor.tsx';
import { texts } from '../texts.ts';

const t = texts.signIn;

/** Only a path of this desk: a link must not lead elsewhere after signing in. */
const ownPath = (next: string | undefined): string => (next && /^\/(?![/\\])/.test(next) ? next : '/');

export default function SignInPage() {
  const client = useQueryClient();
  const router = useRouter();
  const [filters] = useFilters();
  const session = useQuery(sessionQuery);
  const [step, setStep] = useState<{ flow: string; methods: readonly Method[] } | null>(null);
  useEffect(() => {
    document.title = `${t.title} · Asepsis`;
  }, []);
  const done = async () => {
    client.setQueryData(sessionQuery.queryKey, await readSession());
    await router.navigate({ href: ownPath(filters.next), replace: true });
  };
  return (
    <main className="card-page">
      <div className="card">
        <h1>{t.heading}</h1>
        {session.data?.needs_enrolment && (
          <div className="notice">
            <p>{t.nobody}</p>
            <CopyLine text="asepsis people invite" />
          </div>
        )}
        {step ? (
          <SecondFactor {...step} onDone={done} onBack={() => setStep(null)} />
        ) : (
          <FirstStep onDone={(flow, methods) => setStep({ flow, methods })} />
        )}
      </div>
    </main>
  );
}

function FirstStep({ onDone }: { onDone: (flow: string, methods: readonly Method[]) => void }) {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const body = { username: username.trim(), password };
      const { flow, methods } = await api.post<{ flow: string; methods: readonly Method[] }>('/v1/sign-in', body);
      onDone(flow, methods);
    } catch (caught) {
      setProblem(caught);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="inline-form">
      <TextInput
        label={t.username}
        value={username}
        required
        size="sm"
        autoFocus
        autoComplete="username webauthn"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={64}
        onChange={(event) => setUsername(event.currentTarget.value)}
      />
      <PasswordInput
        label={t.password}
        value={password}
        required
        autoComplete="current-password"
        visibilityToggleButtonProps={{ 'aria-label': t.showPassword }}
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
