import { expect, test } from 'vitest';
import { compareServices, type ShownService } from './perimeter-shown.ts';

const row = (host: string, port: number, worst: ShownService['worst'], from: ShownService['from']): ShownService => ({
  id: `${from}:${host}/${port}`,
  host,
  address: host,
  from,
  at: '2026-01-01T00:00:00Z',
  port,
  transport: 'tcp',
  service: 'http',
  tls: false,
  grade: null,
  banner: null,
  title: '',
  certificate: null,
  software: [],
  worst,
});

test('worst first, what faces outside before its like, then hosts in the order of their numbers', () => {
  const order = [
    row('10.0.0.9', 443, 'critical', 'outside'),
    row('10.0.0.1', 22, 'critical', 'inside'),
    row('10.0.0.2', 80, 'high', 'inside'),
    row('10.0.0.10', 80, 'high', 'inside'),
    row('10.0.0.1', 23, 'low', 'inside'),
    row('10.0.0.1', 21, null, 'outside'),
    row('10.0.0.1', 20, null, 'inside'),
  ];
  expect(order.toReversed().toSorted(compareServices)).toEqual(order);
});
