/** Datagrams that the kernel dropped because nobody read them in time: /proc/net/udp, column `drops` (proc(5)). */

/** The sum over all sockets bound to the port. */
export function udpDrops(table: string, port: number): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let drops = 0;
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns[1]?.endsWith(wanted) && columns.length >= 13) drops += Number(columns[12]) || 0;
  }
  return drops;
}
