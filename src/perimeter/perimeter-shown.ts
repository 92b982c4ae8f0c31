/** The services of all hosts in the order in which somebody should look at them. */

import { type RecordStore, severityRank } from '../core/index.ts';
import type { Exposure } from './perimeter-assess.ts';
import { COLLECTION, type ExposureDoc } from './perimeter-service.ts';

export interface ShownService extends Exposure {
  readonly id: string;
  readonly host: string;
  readonly address: string;
  readonly from: 'inside' | 'outside';
  readonly at: string;
}

/** Hosts that are put in order; of more, those that were looked at last. */
const HOSTS_MAX = 5000;
const PAGE = 500;

const rank = ({ worst }: Exposure) => (worst === null ? 9 : severityRank(worst));

/** Worst first; of equal ones what faces outside; then by host and port. */
export function compareServices(a: ShownService, b: ShownService): number {
  return (
    rank(a) - rank(b) ||
    Number(b.from === 'outside') - Number(a.from === 'outside') ||
    a.host.localeCompare(b.host, undefined, { numeric: true }) ||
    a.port - b.port ||
    a.id.localeCompare(b.id)
  );
}

export async function worstFirst(records: RecordStore, from?: 'inside' | 'outside'): Promise<ShownService[]> {
  const rows: ShownService[] = [];
  let after: string | undefined;
  for (let hosts = 0; hosts < HOSTS_MAX; hosts += PAGE) {
    const filter = from === undefined ? {} : { tag: from };
    const page = await records.list(
      COLLECTION.exposure,
      filter,
      { limit: PAGE, ...(after === undefined ? {} : { after }) },
      true,
    );
    for (const { id, doc } of page.items) {
      const { ports, host, address, from: vantage, at } = doc as ExposureDoc;
      for (const port of ports)
        rows.push({ ...port, id: `${id}/${port.transport}/${port.port}`, host, address, from: vantage, at });
    }
    if (page.next === null) break;
    after = page.next;
  }
  return rows.sort(compareServices);
}
