/** People: who has an account, with which role, and inviting more. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Role } from '../core/store-port.ts';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import type { Page, PersonRow } from './api-types.ts';
import { CopyLine } from './copy-line.tsx';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { Ago, Moment } from './time.tsx';
import { didIt } from './undo.ts';

const t = texts.settings.people;
const PATH = '/v1/people';
export const ROLE_OPTIONS = (['viewer', 'analyst', 'lead', 'administrator'] as const).map((value) => ({
  value,
  label: texts.roles[value],
}));

export default function SettingsPeople() {
  const client = useQueryClient();
  const me = useSession()?.person;
  const { data, error } = useAnswer<Page<PersonRow>>(PATH);
  const [problem, setProblem] = useState<unknown>(null);
  const [reset, setReset] = useState<{ name: string; link: string; expires: string } | null>(null);
  const resetLink = async (person: PersonRow) => {
    setProblem(null);
    try {
      const made = await api.post<{ link: string; expires: string }>(`${PATH}/${person.id}/reset`);
      setReset({ name: person.display_name, ...made });
    } catch (caught) {
      setProblem(caught);
    }
  };
  const change = async (person: PersonRow, next: { role?: Role; disabled?: boolean }) => {
    setProblem(null);
    const send = async (body: typeof next) => {
      try {
        await api.patch(`${PATH}/${person.id}`, body);
        return true;
      } catch (caught) {
        setProblem(caught);
        return false;
      } finally {
        await client.invalidateQueries({ queryKey: ['answer', PATH] });
      }
    };
    const before = next.role === undefined ? { disabled: person.disabled } : { role: person.role };
    if (await send(next)) didIt(t.changed(person.display_name), async () => void (await send(before)));
  };
  return (
    <>
      <section className="panel" aria-labelledby="people">
        <h2 id="people">{t.title}</h2>
        <Problem error={error ?? problem} />
        {!data && !error && <Waiting rows={4} />}
        {data && (
          <div className="scroll-x">
            <table className="plain wide">
              <thead>
                <tr>
                  <th scope="col">{t.name}</th>
                  <th scope="col">{t.username}</th>
                  <th scope="col">{t.role}</th>
                  <th scope="col">{t.lastSignIn}</th>
                  <th scope="col">{t.access}</th>
                </tr>
              </thead>
              <tbody>
                {data.items.map((person) => (
                  <tr key={person.id}>
                    <th scope="row">{person.display_name}</th>
                    <td className="mono">{person.username}</td>
                    <td>
                      <NativeSelect
                        aria-label={t.roleOf(person.display_name)}
                        value={person.role}
                        data={ROLE_OPTIONS}
                        disabled={person.id === me?.id}
                        onChange={(event) => void change(person, { role: event.currentTarget.value as Role })}
                      />
                    </td>
                    <td>{person.last_sign_in ? <Ago at={person.last_sign_in} /> : t.never}</td>
                    <td>
                      {person.id === me?.id ? (
                        t.you
                      ) : (
                        <span className="line">
                          <Button
                            aria-label={
                              person.disabled ? t.enableOf(person.display_name) : t.disableOf(person.display_name)
                            }
                            onClick={() => void change(person, { disabled: !person.disabled })}
                          >
                            {person.disabled ? t.enable : t.disable}
                          </Button>
                          {!person.disabled && (
                            <Button aria-label={t.resetOf(person.display_name)} onClick={() => void resetLink(person)}>
                              {t.reset}
                            </Button>
                          )}
                        </span>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <div role="status">
          {reset && (
            <>
              <p>
                {t.resetText(reset.name)} {t.until} <Moment at={reset.expires} />
              </p>
              <CopyLine text={reset.link} label={t.link} />
            </>
          )}
        </div>
      </section>
      <Invite />
    </>
  );
}

function Invite() {
  const [role, setRole] = useState<Role>('analyst');
  const [username, setUsername] = useState('');
  const [invitation, setInvitation] = useState<{ link: string; expires: string } | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const submit = async () => {
    setProblem(null);
    try {
      const named = username.trim() === '' ? {} : { username: username.trim() };
      setInvitation(await api.post(`${PATH}/invitations`, { role, ...named }));
    } catch (caught) {
      setProblem(caught);
    }
  };
  return (
    <section className="panel" aria-labelledby="invite">
      <h2 id="invite">{t.invite}</h2>
      <p>{t.inviteText}</p>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <NativeSelect
          label={t.role}
          description={t.roleHelp[role]}
          value={role}
          data={ROLE_OPTIONS}
          onChange={(event) => setRole(event.currentTarget.value as Role)}
        />
        <TextInput
          label={t.usernameOptional}
          value={username}
          maxLength={64}
          autoComplete="off"
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <Problem error={problem} />
        <p className="buttons">
          <Button type="submit" variant="filled">
            {t.makeLink}
          </Button>
        </p>
      </form>
      <div role="status">
        {invitation && (
          <>
            <p>
              {t.linkText} {t.until} <Moment at={invitation.expires} />
            </p>
            <CopyLine text={invitation.link} label={t.link} />
          </>
        )}
      </div>
    </section>
  );
}
