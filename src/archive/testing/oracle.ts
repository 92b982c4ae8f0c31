/** A second reading of the search language: decides in memory, one event at a time, what a query matches. For tests. */

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { type DecodedEvent, type FieldValue, NORMALISED_COLUMNS } from '../../core/index.ts';
import type { Match, Query } from '../archive-query.ts';

/** Do the texts occur in this order, the first at the start and the last at the end? */
function like(text: string, parts: readonly string[]): boolean {
  const pattern = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*');
  return new RegExp(`^${pattern}$`, 'i').test(text);
}

function inRange(value: number, match: Match & { kind: 'range' }): boolean {
  if (match.min !== null && (match.open ? value <= match.min : value < match.min)) return false;
  return match.max === null || (match.open ? value < match.max : value <= match.max);
}

function textMatches(value: string, match: Match): boolean {
  if (match.kind === 'exists') return true;
  if (match.kind === 'equals') return value.toLowerCase() === match.value.toLowerCase();
  if (match.kind === 'wild') return like(value, match.parts);
  return value.trim() !== '' && Number.isFinite(Number(value)) && inRange(Number(value), match);
}

function inNetwork(address: string, range: string): boolean {
  const [net = '', bits] = range.split('/');
  const list = new BlockList();
  list.addSubnet(net, Number(bits), isIPv4(net) ? 'ipv4' : 'ipv6');
  if (isIPv4(net)) return isIPv4(address) && list.check(address, 'ipv4');
  return isIPv6(address) && list.check(address, 'ipv6');
}

function fieldMatches(event: DecodedEvent, name: string, match: Match): boolean {
  if (Object.hasOwn(NORMALISED_COLUMNS, name)) {
    const value = (event.norm as Record<string, string | number | undefined>)[name];
    if (value === undefined) return false;
    if (typeof value === 'number') {
      return match.kind === 'range' ? inRange(value, match) : textMatches(String(value), match);
    }
    if (name.endsWith('_ip') && match.kind === 'equals' && match.value.includes('/'))
      return inNetwork(value, match.value);
    return textMatches(value, match);
  }
  if (name === 'exercise')
    return match.kind === 'exists' || String(event.exercise) === (match as { value: string }).value;
  if (name === 'marks') return event.marks.some((mark) => textMatches(mark, match));
  const own: Record<string, string | undefined> = {
    source: event.source,
    format: event.format,
    raw: event.raw,
    'logsource.product': event.logsource.product,
    'logsource.service': event.logsource.service,
    'logsource.category': event.logsource.category,
  };
  if (Object.hasOwn(own, name)) return own[name] !== undefined && textMatches(own[name], match);
  return originalMatches(event.fields[name.startsWith('fields.') ? name.slice(7) : name], match);
}

function originalMatches(value: FieldValue | undefined, match: Match): boolean {
  if (value === undefined || value === null) return false;
  if (match.kind === 'exists') return true;
  const several = Array.isArray(value) ? value : [value];
  return several.some((one) => one !== null && textMatches(String(one), match));
}

export function matches(query: Query, event: DecodedEvent): boolean {
  switch (query.kind) {
    case 'all':
      return true;
    case 'and':
      return query.items.every((item) => matches(item, event));
    case 'or':
      return query.items.some((item) => matches(item, event));
    case 'not':
      return !matches(query.item, event);
    case 'text':
      return like(event.raw, ['', ...query.parts, '']);
    case 'field':
      return fieldMatches(event, query.name, query.match);
  }
}
