/** An answer of our own on a plain connection, with the few functions that the gateway's pages use of Node's. */

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

export interface PlainAnswer {
  readonly headersSent: boolean;
  writeHead(status: number, headers: Readonly<Record<string, string | string[]>>): void;
  end(body: Buffer): void;
  destroy(): void;
}

let dateSec = 0;
let dateText = '';
/** The `Date` line's value, made once a second (RFC 9110 section 6.6.1). */
export function httpDate(nowMs: number): string {
  const sec = Math.floor(nowMs / 1000);
  if (sec !== dateSec) {
    dateSec = sec;
    dateText = new Date(sec * 1000).toUTCString();
  }
  return dateText;
}

/** @param close the connection ends with this answer */
export function plainAnswer(socket: Socket, o: { head: boolean; close: boolean; nowMs: number }): PlainAnswer {
  let text = '';
  return {
    get headersSent() {
      return text !== '';
    },
    writeHead(status, headers) {
      text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
      for (const name in headers) {
        const value = headers[name] as string | string[];
        if (typeof value === 'string') text += `${name}: ${checked(value)}\r\n`;
        else for (const one of value) text += `${name}: ${checked(one)}\r\n`;
      }
      text += `Date: ${httpDate(o.nowMs)}\r\n${o.close ? 'Connection: close\r\n' : ''}\r\n`;
    },
    end(body) {
      if (o.head || body.length === 0) socket.write(text, 'latin1');
      else socket.write(Buffer.concat([Buffer.from(text, 'latin1'), body]));
      if (o.close) socket.end();
    },
    destroy: () => socket.destroy(),
  };
}

/** What is written here was checked where it came from; a line end would make another header of it, so it is looked at again. */
function checked(value: string): string {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new Error('A header value with a control character.');
  return value;
}
