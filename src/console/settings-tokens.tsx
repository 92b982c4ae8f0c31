/** API tokens: for shippers that send, and for programs that read or change. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Role } from '../core/store-port.ts';
import { api } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import type { Page, TokenRow } from './api-types.ts';
import { CopyLine } from './copy-line.tsx';
import { Empty, Problem, Waiting } from './notice.tsx';
import { ROLE_OPTIONS } from './settings-people.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

const t = texts.settings.tokens;
const PATH = '/v1/tokens';
type Scope = TokenRow['scope'];

export default function SettingsTokens() {
  const client = useQueryClient();
  const { data, error } = useAnswer<Page<TokenRow>>(PATH);
  const [problem, setProblem] = useState<unknown>(null);
  const [asked, setAsked] = useState<string | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ['answer', PATH] });
  const revoke = async (id: string) => {
    setProblem(null);
    setAsked(null);
    await api.delete(`${PATH}/${id}`).catch(setProblem);
    await refresh();
  };
  return (
    <>
      <section className="panel" aria-labelledby="tokens">
        <h2 id="tokens">{t.title}</h2>
        <Problem error={error ?? problem} />
        {!data && !error && <Waiting rows={4} />}
        {data?.items.length === 0 && <Empty title={t.none}>{t.noneText}</Empty>}
        {data && data.items.length > 0 && (
          <div className="scroll-x">
            <table className="plain wide">
              <thead>
                <tr>
                  <th scope="col">{t.name}</th>
                  <th scope="col">{t.scope}</th>
                  <th scope="col">{t.lastUsed}</th>
                  <th scope="col">{t.expires}</th>
                  <th scope="col">{t.state}</th>
                </tr>
              </thead>
              <tbody>
                {data.items.map((token) => (
                  <tr key={token.id}>
                    <th scope="row">{token.name}</th>
                    <td>
                      {t.scopes[token.scope]} {token.role && texts.roles[token.role]}
                    </td>
                    <td>{token.last_used ? <Ago at={token.last_used} /> : t.never}</td>
                    <td>{token.expires ? <Ago at={token.expires} /> : t.noEnd}</td>
                    <td>
                      {token.revoked ? (
                        t.revoked
                      ) : asked === token.id ? (
                        <span className="line">
                          {t.sure}
                          <Button onClick={() => void revoke(token.id)}>{t.revoke}</Button>
                          <Button onClick={() => setAsked(null)}>{texts.cancel}</Button>
                        </span>
                      ) : (
                        <Button aria-label={t.revokeOf(token.name)} onClick={() => setAsked(token.id)}>
                          {t.revoke}
                        </Button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <NewToken onMade={refresh} />
    </>
  );
}

function NewToken({ onMade }: { onMade: () => Promise<void> }) {
  const [name, setName] = useState('');
  const [scope, setScope] = useState<Scope>('ingest');
  const [role, setRole] = useState<Role>('viewer');
  const [days, setDays] = useState('');
  const [made, setMade] = useState<string | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const submit = async () => {
    setProblem(null);
    try {
      const reach = scope === 'ingest' ? {} : { role };
      const end = days === '' ? {} : { expires_days: Math.max(1, Math.round(Number(days))) };
      const { token } = await api.post<{ token: string }>(PATH, { name: name.trim(), scope, ...reach, ...end });
      setMade(token);
      setName('');
      await onMade();
    } catch (caught) {
      setProblem(caught);
    }
  };
  return (
    <section className="panel" aria-labelledby="new-token">
      <h2 id="new-token">{t.make}</h2>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextInput
          label={t.name}
          description={t.nameHelp}
          value={name}
          required
          maxLength={64}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <NativeSelect
          label={t.scope}
          value={scope}
          data={(['ingest', 'read', 'write'] as const).map((value) => ({ value, label: t.scopes[value] }))}
          onChange={(event) => setScope(event.currentTarget.value as Scope)}
        />
        {scope !== 'ingest' && (
          <NativeSelect
            label={t.role}
            value={role}
            data={ROLE_OPTIONS}
            onChange={(event) => setRole(event.currentTarget.value as Role)}
          />
        )}
        <TextInput
          type="number"
          min={1}
          max={3650}
          label={t.days}
          description={t.daysHelp}
          value={days}
          onChange={(event) => setDays(event.currentTarget.value)}
        />
        <Problem error={problem} />
        <p className="buttons">
          <Button type="submit" variant="filled">
            {t.makeNow}
          </Button>
        </p>
      </form>
      <div role="status">
        {made && (
          <>
            <p>
              <strong>{t.once}</strong>
            </p>
            <CopyLine text={made} label={t.token} />
          </>
        )}
      </div>
    </section>
  );
}
