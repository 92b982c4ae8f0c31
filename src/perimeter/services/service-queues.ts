/** Queues and what runs beside them: MQTT, AMQP, NATS, Erlang's port mapper. No message is sent, none is read. */

import { exposed, type Probe, question } from '../perimeter-probe.ts';
import { at, fix, oneLine } from '../perimeter-weakness.ts';
import { inClear, open, view } from './service-data.ts';

const QUEUE_WHY = 'What devices and applications send each other passes through it.';

export const mqtt: Probe = {
  service: 'mqtt',
  ports: [1883, 8883],
  anywhere: true,
  look: async (context) => {
    const id = 'asepsis-look';
    const answer = await question(
      context,
      'mqtt',
      Buffer.concat([
        Buffer.from([0x10, 12 + id.length, 0, 4]),
        Buffer.from('MQTT'),
        Buffer.from([4, 2, 0, 30, 0, id.length]),
        Buffer.from(id),
      ]),
    );
    if (answer?.[0] !== 0x20 || answer[1] !== 2) return null;
    const free = answer[3] === 0;
    return view(
      'mqtt',
      context,
      null,
      [],
      { authentication: !free },
      free
        ? [
            open(
              context,
              'mqtt',
              'MQTT',
              'Anybody reads and sends every message, also of devices.',
              'CONNECT without a name was accepted',
              `mosquitto_sub -h ${context.host} -p ${context.port} -t '$SYS/broker/version' -C 1`,
              'mosquitto.conf: allow_anonymous false, password_file, and a TLS listener.',
            ),
          ]
        : [],
    );
  },
};

/** AMQP 0-9-1: the protocol header is answered by Connection.Start, which names product, version and ways to sign in. */
export const amqp: Probe = {
  service: 'amqp',
  ports: [5672, 5671],
  anywhere: true,
  look: async (context) => {
    const answer = await question(context, 'amqp', Buffer.from('AMQP\0\0\x09\x01', 'latin1'));
    // A server of another version answers with its own header (section 2.2.4 of the specification).
    if (answer?.subarray(0, 4).equals(Buffer.from('AMQP')))
      return view(
        'amqp',
        context,
        oneLine(answer.toString('latin1')),
        [],
        {},
        exposed(context, 'amqp', 'AMQP', 'high', QUEUE_WHY),
      );
    if (answer?.[0] !== 1 || answer.length < 20 || answer.readUInt32BE(7) !== 0x000a_000a) return null;
    const said = answer.toString('latin1');
    // A table's entry: name, `S`, four bytes of length, text.
    const entry = (name: string) => {
      const found = said.indexOf(`${name}S`);
      if (found < 0 || found + name.length + 5 > answer.length) return '';
      const start = found + name.length + 5;
      return oneLine(said.slice(start, start + Math.min(64, answer.readUInt32BE(start - 4))), 64);
    };
    const mechanisms = [...said.matchAll(/\b(PLAIN|AMQPLAIN|ANONYMOUS|EXTERNAL|SCRAM[\w-]*)\b/g)].map(
      (match) => match[1] as string,
    );
    const [product, version] = [entry('product'), entry('version')];
    const where = at(context.host, context.port);
    const command = `printf 'AMQP\\0\\0\\011\\001' | nc ${context.host} ${context.port} | strings`;
    const weaknesses = [...exposed(context, 'amqp', 'A message queue (AMQP)', 'high', QUEUE_WHY)];
    if (mechanisms.includes('ANONYMOUS'))
      weaknesses.push(
        open(
          context,
          'amqp',
          'AMQP',
          'Anybody reads and sends messages.',
          'The mechanism ANONYMOUS is offered',
          command,
          'rabbitmq.conf: auth_mechanisms.1 = PLAIN, and remove ANONYMOUS.',
        ),
      );
    if (!context.tls && mechanisms.some((name) => /PLAIN/.test(name)))
      weaknesses.push({
        kind: 'clear-text-login',
        key: 'amqp',
        severity: context.outside ? 'high' : 'medium',
        title: `AMQP on ${where} takes passwords in clear`,
        why: 'Anybody in the path reads them, and the messages.',
        seen: `Ways to sign in without TLS: ${mechanisms.join(', ')}`,
        command,
        fix: fix(
          `Encrypt AMQP on ${where}`,
          'rabbitmq.conf: listeners.tcp = none, listeners.ssl.default = 5671, ssl_options.certfile and ssl_options.keyfile.',
          'hours',
          true,
        ),
      });
    return view(
      'amqp',
      context,
      `${product} ${version}`,
      product !== '' && version !== '' ? [{ name: product.toLowerCase(), version }] : [],
      { mechanisms: [...new Set(mechanisms)].join(' ') },
      weaknesses,
    );
  },
};

/** NATS tells on connecting what it asks for. */
export const nats: Probe = {
  service: 'nats',
  ports: [4222],
  greets: (banner) => banner.toString('latin1').startsWith('INFO {"'),
  look: async (context) => {
    const text = context.banner?.toString('utf8') ?? '';
    const flag = (name: string) => new RegExp(`"${name}":\\s*true`).test(text);
    const version = /"version":"(\d[\w.-]{0,32})"/.exec(text)?.[1];
    const encrypted = context.tls || flag('tls_required');
    const weaknesses = [...exposed(context, 'nats', 'A message queue (NATS)', 'high', QUEUE_WHY)];
    const command = `nc ${context.host} ${context.port} </dev/null`;
    if (!flag('auth_required'))
      weaknesses.push(
        open(
          context,
          'nats',
          'NATS',
          'Anybody reads and sends every message.',
          'INFO does not say auth_required',
          command,
          'nats-server.conf: authorization { users = […] } or accounts with NKeys, and a tls block.',
        ),
      );
    if (!encrypted)
      weaknesses.push(...inClear(context, 'nats', 'NATS', command, 'nats-server.conf: tls { cert_file, key_file }.'));
    return view(
      'nats',
      context,
      `NATS ${version ?? ''}`,
      version === undefined ? [] : [{ name: 'nats-server', version }],
      {
        authentication: flag('auth_required'),
        tls_required: flag('tls_required'),
      },
      weaknesses,
    );
  },
};

/** Erlang's port mapper lists the nodes of a machine (RabbitMQ, ejabberd); whoever has their cookie runs code there. */
export const epmd: Probe = {
  service: 'epmd',
  ports: [4369],
  look: async (context) => {
    const answer = await question(context, 'epmd names', Buffer.from([0, 1, 110]));
    if (!answer || answer.length < 4 || answer.readUInt32BE(0) !== context.port) return null;
    const nodes = [...answer.toString('latin1', 4).matchAll(/^name (\S{1,64}) at port \d+/gm)].map(
      (match) => match[1] as string,
    );
    return view(
      'epmd',
      context,
      null,
      [],
      { nodes: nodes.join(' ') },
      exposed(
        context,
        'epmd',
        'Erlang’s port mapper',
        'high',
        'It leads to ports on which a cookie of a few letters is all that keeps others from running programs.',
      ),
    );
  },
};
