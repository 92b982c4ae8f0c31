/** One flow that leaks: what of it was readable, and the command that makes a pair of relays for it. */

import { TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Severity as Level } from '../core/records.ts';
import { CopyLine } from './copy-line.tsx';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

export interface NetworkFlow {
  readonly id: string;
  readonly finding: string;
  readonly kind: string;
  readonly severity: Level;
  readonly client: string;
  readonly server: string;
  readonly port: number;
  readonly transport: string;
  readonly application: string;
  readonly what: string;
  readonly fields: string;
  readonly names: string;
  readonly messages: number;
  readonly patients: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly relay: {
    readonly name: string;
    readonly state: 'fixed' | 'still-clear' | 'waiting';
    readonly why: string;
  } | null;
}

const t = texts.network;
const CLEAR = new Set(['clear-text-patient-data', 'clear-text-clinical-protocol', 'clear-text-credential']);
/** Where relays of this kind usually listen (IANA: dicom-tls 2762; there is none for HL7). */
const FAR_PORTS: Readonly<Record<string, number>> = { dicom: 2762, hl7: 6661 };

/** An example in the same network, and not the machine itself. */
const sibling = (address: string): string =>
  address.includes(':') ? '[fd00::5]' : `${address.split('.').slice(0, 3).join('.')}.250`;

export function FlowDetail({ flow }: { flow: NetworkFlow }) {
  const facts: readonly (readonly [string, string])[] = [
    [t.from, flow.client],
    [t.to, `${flow.server} port ${flow.port}/${flow.transport}`],
    [t.application, flow.application],
    [t.what, flow.what],
    [t.names, flow.names],
    [t.messages, flow.messages.toLocaleString('en')],
  ];
  return (
    <article className="detail">
      <h2>
        {t.kinds[flow.kind] ?? flow.kind} · {flow.application}
      </h2>
      <p>
        <Severity level={flow.severity} />
      </p>
      <dl className="facts">
        {facts
          .filter(([, value]) => value !== '')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        <div>
          <dt>{t.last}</dt>
          <dd>
            <Moment at={flow.last_seen} />
          </dd>
        </div>
      </dl>
      {flow.fields !== '' && (
        <>
          <h3>{t.fields}</h3>
          <p className="mono">{flow.fields}</p>
          {flow.kind === 'clear-text-patient-data' && <p className="dim">{t.hashed}</p>}
        </>
      )}
      <p>
        <Link to="/findings" search={{ view: 'list', id: flow.finding }}>
          {t.openFinding}
        </Link>
      </p>
      {CLEAR.has(flow.kind) && flow.transport === 'tcp' && <RelayMaker flow={flow} />}
    </article>
  );
}

function RelayMaker({ flow }: { flow: NetworkFlow }) {
  const [near, setNear] = useState('');
  const [far, setFar] = useState('');
  const folder = `./relay-${flow.application}-${flow.port}`;
  const word = (text: string) => (/^[\w.:[\]-]{1,255}$/.test(text) ? text : 'HOST:PORT');
  return (
    <section aria-label={t.relay.title}>
      <h3>{t.relay.title}</h3>
      {flow.relay && (
        <p className="notice" role="status">
          <strong>{t.relay.states[flow.relay.state]}</strong> {flow.relay.why}
        </p>
      )}
      <p>{t.relay.text}</p>
      <TextInput
        label={t.relay.near}
        placeholder={`${sibling(flow.client)}:${flow.port}`}
        value={near}
        maxLength={255}
        onChange={(event) => setNear(event.currentTarget.value)}
      />
      <TextInput
        label={t.relay.far}
        placeholder={`${sibling(flow.server)}:${FAR_PORTS[flow.application] ?? 2762}`}
        value={far}
        maxLength={255}
        onChange={(event) => setFar(event.currentTarget.value)}
      />
      <CopyLine
        text={`asepsis relay pair ${folder} --finding ${flow.finding} --listen ${word(near)} --tunnel ${word(far)}`}
        label={t.relay.command}
      />
    </section>
  );
}
