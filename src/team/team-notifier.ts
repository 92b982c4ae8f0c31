/** Delivers the outbox: a signed webhook and e-mail, tried again with growing pauses until they arrive or are given up. */

import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createTransport, type Transporter } from 'nodemailer';
import { type Clock, type Config, type OutboxItem, rfc3339, type Store } from '../core/index.ts';
import { type Message, mailOf } from './team-message.ts';

const LOOK_EVERY_MS = 1000;
const BATCH = 20;
const SEND_MS_MAX = 15_000;
const RETRY_FIRST_MS = 15_000;
const RETRY_MAX_MS = 3_600_000;
/** About a day of trying: then somebody must look at the settings, where the last error stands. */
const ATTEMPTS_MAX = 30;

export interface Notifier {
  start(): void;
  stop(): Promise<void>;
  /** Delivers what is due now. */
  flush(): Promise<void>;
}

export function createNotifier(o: {
  store: Store;
  config: Config['notify'];
  clock: Clock;
  log: (entry: object, message: string) => void;
}): Notifier {
  const { store, clock } = o;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let mail: Transporter | null = null;

  const deliver = async (item: OutboxItem): Promise<void> => {
    if (item.channel === 'webhook') await sendWebhook(o.config, item, clock);
    else {
      mail ??= await openMail(o.config);
      await mail.sendMail({
        from: o.config.email?.from,
        to: o.config.email?.to,
        ...mailOf(JSON.parse(item.payload) as Message),
      });
    }
  };
  const deliverDue = async (): Promise<void> => {
    for (const item of await store.outbox.due(rfc3339(clock.now()), BATCH)) {
      try {
        await deliver(item);
        await store.outbox.done(item.id);
      } catch (error) {
        const attempts = item.attempts + 1;
        const pause = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (attempts - 1));
        const reason = (error instanceof Error ? error.message : String(error)).slice(0, 500);
        await store.outbox.failed(item.id, reason, attempts >= ATTEMPTS_MAX ? null : rfc3339(clock.now() + pause));
        o.log({ channel: item.channel, attempts, reason }, 'a message could not be delivered');
      }
    }
  };
  // One round after the other: two at a time would both send what is due.
  const flush = (): Promise<void> => {
    running = running
      .then(deliverDue)
      .catch((error: unknown) => o.log({ reason: String(error) }, 'the outbox cannot be read'));
    return running;
  };
  return {
    flush,
    start: () => {
      const again = () => {
        timer = setTimeout(() => void flush().then(again), LOOK_EVERY_MS);
      };
      again();
    },
    stop: async () => {
      clearTimeout(timer);
      await running;
      clearTimeout(timer);
      mail?.close();
    },
  };
}

/** `t=<Unix seconds>,v1=<hex>` over `<t>.<body>`: the receiver checks both who sent it and that it is new. */
export function signatureOf(secret: string, timeSec: number, body: string): string {
  return `t=${timeSec},v1=${createHmac('sha256', secret).update(`${timeSec}.${body}`).digest('hex')}`;
}

async function sendWebhook(config: Config['notify'], item: OutboxItem, clock: Clock): Promise<void> {
  if (!config.webhook) throw new Error('No webhook is configured any more.');
  const secret = (await readFile(config.webhook.secret_file, 'utf8')).trim();
  if (secret.length < 16) throw new Error('The webhook’s secret is shorter than 16 characters.');
  const response = await fetch(config.webhook.url, {
    method: 'POST',
    // A redirect could lead the message to a host that nobody chose.
    redirect: 'error',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'asepsis',
      'x-asepsis-delivery': item.id,
      'x-asepsis-signature': signatureOf(secret, Math.floor(clock.now() / 1000), item.payload),
    },
    body: item.payload,
    signal: AbortSignal.timeout(SEND_MS_MAX),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`The webhook answered HTTP ${response.status}.`);
}

async function openMail(config: Config['notify']): Promise<Transporter> {
  const { email } = config;
  if (!email) throw new Error('No e-mail is configured any more.');
  const pass = email.password_file === undefined ? undefined : (await readFile(email.password_file, 'utf8')).trim();
  return createTransport({
    host: email.host,
    port: email.port,
    secure: email.security === 'tls',
    requireTLS: email.security === 'starttls',
    ignoreTLS: email.security === 'none',
    connectionTimeout: SEND_MS_MAX,
    greetingTimeout: SEND_MS_MAX,
    socketTimeout: SEND_MS_MAX,
    ...(email.user === undefined || pass === undefined ? {} : { auth: { user: email.user, pass } }),
  });
}
