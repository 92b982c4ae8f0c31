/** The second factor of a new account: a passkey, or an authenticator app with its QR code. */

import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { api, ProblemError } from './api-client.ts';
import { CopyLine } from './copy-line.tsx';
import { Problem } from './notice.tsx';
import { QrCode } from './qr-code.tsx';
import { texts } from './texts.ts';

const t = texts.enrol;
type RegistrationOptions = Parameters<typeof import('@simplewebauthn/browser')['startRegistration']>[0]['optionsJSON'];

export interface Started {
  readonly flow: string;
  readonly totp: { readonly secret: string; readonly uri: string };
  /** Null where the browser came by an address instead of a name. */
  readonly passkey_options: RegistrationOptions | null;
}

interface EnrolFactorProps {
  readonly path: string;
  readonly started: Started;
  readonly onDone: (codes: readonly string[]) => void;
  readonly onBack: () => void;
}

export function EnrolFactor({ path, started, onDone, onBack }: EnrolFactorProps) {
  const able = started.passkey_options !== null && typeof PublicKeyCredential === 'function';
  const [method, setMethod] = useState<'passkey' | 'totp'>(able ? 'passkey' : 'totp');
  const [code, setCode] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const finish = async (proof: object) => {
    const answer = await api.post<{ recovery_codes: readonly string[] }>(`${path}/finish`, {
      flow: started.flow,
      ...proof,
    });
    onDone(answer.recovery_codes);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      if (method === 'totp') return await finish({ totp_code: code.replaceAll(' ', '') });
      const { startRegistration } = await import('@simplewebauthn/browser');
      const optionsJSON = started.passkey_options as RegistrationOptions;
      await finish({ passkey_response: await startRegistration({ optionsJSON }) });
    } catch (caught) {
      setProblem(caught instanceof ProblemError ? caught : new Error(t.passkeyFailed));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="inline-form">
      <h2 id="factor">{t.factor}</h2>
      <p>{t.factorText}</p>
      {able ? (
        <SegmentedControl
          aria-labelledby="factor"
          value={method}
          onChange={(value) => setMethod(value as 'passkey' | 'totp')}
          data={[
            { value: 'passkey', label: t.passkey },
            { value: 'totp', label: t.app },
          ]}
        />
      ) : (
        <p className="dim">{t.noPasskey}</p>
      )}
      {method === 'passkey' ? (
        <p>{t.passkeyText}</p>
      ) : (
        <>
          <p>{t.appText}</p>
          <QrCode text={started.totp.uri} label={t.qr} />
          <p>{t.secret}</p>
          <CopyLine text={started.totp.secret} label={t.secretLabel} />
          <TextInput
            label={t.code}
            description={t.codeHelp}
            value={code}
            required
            size="sm"
            classNames={{ input: 'mono' }}
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={16}
            onChange={(event) => setCode(event.currentTarget.value)}
          />
        </>
      )}
      <Problem error={problem} />
      <p className="buttons">
        <Button type="submit" variant="filled" size="sm" disabled={busy}>
          {method === 'passkey' ? t.makePasskey : t.checkCode}
        </Button>
        <Button size="sm" onClick={onBack}>
          {texts.signIn.back}
        </Button>
      </p>
    </form>
  );
}
