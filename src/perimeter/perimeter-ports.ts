/** TCP connect over many ports of one address, at the rate of the scope; which are open, closed, silent. */

import { isIP } from 'node:net';
import type { Gate } from './perimeter-gate.ts';

export interface PortCounts {
  readonly open: readonly number[];
  readonly closed: number;
  readonly silent: number;
  readonly refused: number;
}

/** Tries that wait at a time: enough to fill any rate, and no more memory than that. */
const AT_ONCE = 256;
const TRY_MS = 1500;

export async function scanPorts(
  gate: Gate,
  target: { host: string; address: string },
  ports: readonly number[],
  onOpen: (port: number) => void = () => {},
): Promise<PortCounts> {
  const open: number[] = [];
  const counts = { closed: 0, silent: 0, refused: 0 };
  let next = 0;
  const fixed = isIP(target.host) ? {} : { address: target.address };
  const worker = async () => {
    while (next < ports.length && gate.stopped() === null) {
      const port = ports[next++] as number;
      const opened = await gate.open({ host: target.host, port, ...fixed }, 'port', TRY_MS);
      if (opened.kind === 'open') {
        opened.socket.destroy();
        open.push(port);
        onOpen(port);
      } else if (opened.kind === 'closed') counts.closed++;
      else if (opened.kind === 'refused') counts.refused++;
      else counts.silent++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ports.length) }, worker));
  return { open: open.sort((a, b) => a - b), ...counts };
}

/** Ports on which servers of hospitals are found, most often first met; the default of a scan. */
export const USUAL_PORTS: readonly number[] = [
  21, 22, 23, 25, 53, 79, 80, 81, 88, 104, 110, 111, 113, 119, 123, 135, 139, 143, 161, 179, 389, 443, 444, 445, 464,
  465, 500, 502, 512, 513, 514, 515, 543, 548, 554, 587, 593, 623, 631, 636, 873, 902, 989, 990, 992, 993, 995, 1080,
  1099, 1194, 1433, 1434, 1521, 1723, 1883, 2000, 2049, 2082, 2083, 2087, 2121, 2181, 2222, 2375, 2376, 2379, 2404,
  2483, 2575, 2761, 2762, 3000, 3128, 3260, 3268, 3269, 3306, 3389, 3690, 4000, 4040, 4242, 4243, 4333, 4444, 4500,
  4505, 4567, 4711, 4786, 4848, 4899, 5000, 5001, 5038, 5060, 5061, 5222, 5269, 5357, 5432, 5433, 5555, 5601, 5631,
  5666, 5671, 5672, 5678, 5800, 5900, 5901, 5984, 5985, 5986, 6000, 6001, 6080, 6379, 6443, 6514, 6661, 6666, 6667,
  7000, 7001, 7002, 7070, 7443, 7474, 7547, 7777, 8000, 8001, 8006, 8008, 8009, 8010, 8042, 8080, 8081, 8082, 8083,
  8086, 8088, 8089, 8090, 8091, 8096, 8123, 8140, 8161, 8181, 8200, 8222, 8291, 8333, 8383, 8443, 8500, 8530, 8531,
  8728, 8834, 8880, 8883, 8888, 8983, 9000, 9001, 9042, 9043, 9060, 9080, 9090, 9092, 9100, 9101, 9102, 9160, 9200,
  9300, 9389, 9418, 9443, 9600, 9999, 10000, 10050, 10051, 10250, 10255, 10443, 11112, 11211, 13306, 15672, 16379,
  16992, 16993, 18080, 20000, 22222, 25565, 27017, 27018, 28017, 30000, 32400, 37777, 44818, 47808, 49152, 50000, 50070,
  50100, 55443, 60000, 61616, 62078,
];

/** "1-1024,8080", `usual`, `all`; null when it cannot be read. */
export function readPorts(text: string): number[] | null {
  if (text === 'usual') return [...USUAL_PORTS];
  if (text === 'all') return Array.from({ length: 65_535 }, (_, i) => i + 1);
  const ports = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || first < 1 || last > 65_535 || first > last) return null;
    for (let port = first; port <= last; port++) ports.add(port);
  }
  return [...ports];
}
