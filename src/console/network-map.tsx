/** Who talks clear text to whom: senders on the left, receivers on the right, one line a pair, the worst drawn last. */

// biome-ignore-all lint/a11y/useSemanticElements: a drawing with links in it is a group, and no form

import { Link } from '@tanstack/react-router';
import type { Severity } from '../core/records.ts';
import type { NetworkFlow } from './network-flow.tsx';
import { texts } from './texts.ts';

const t = texts.network.map;
const NODES_MAX = 40;
const ROW_PX = 26;
const WIDTH = 760;
const LEFT = 250;
const RIGHT = 510;
const RANK: readonly Severity[] = ['information', 'low', 'medium', 'high', 'critical'];

interface Edge {
  readonly client: string;
  readonly server: string;
  readonly apps: string[];
  severity: Severity;
  finding: string;
}

function edgesOf(flows: readonly NetworkFlow[]): Edge[] {
  const edges = new Map<string, Edge>();
  for (const flow of flows) {
    if (!flow.kind.startsWith('clear-text')) continue;
    const key = `${flow.client} ${flow.server}`;
    const edge = edges.get(key) ?? {
      client: flow.client,
      server: flow.server,
      apps: [],
      severity: flow.severity,
      finding: flow.id,
    };
    if (!edge.apps.includes(flow.application)) edge.apps.push(flow.application);
    if (RANK.indexOf(flow.severity) > RANK.indexOf(edge.severity)) {
      edge.severity = flow.severity;
      edge.finding = flow.id;
    }
    edges.set(key, edge);
  }
  return [...edges.values()].toSorted((a, b) => RANK.indexOf(a.severity) - RANK.indexOf(b.severity));
}

/** Those with the worst connections first, as many as can be read. */
const side = (edges: readonly Edge[], of: (edge: Edge) => string): string[] =>
  [...new Set(edges.toReversed().map(of))].slice(0, NODES_MAX);

export function ClearTextMap({ flows }: { flows: readonly NetworkFlow[] }) {
  const edges = edgesOf(flows);
  if (edges.length === 0) return <p className="dim">{t.none}</p>;
  const senders = side(edges, (edge) => edge.client);
  const receivers = side(edges, (edge) => edge.server);
  const hidden =
    new Set(edges.map((edge) => edge.client)).size -
    senders.length +
    new Set(edges.map((edge) => edge.server)).size -
    receivers.length;
  const height = Math.max(senders.length, receivers.length) * ROW_PX + 12;
  const y = (index: number) => index * ROW_PX + ROW_PX / 2 + 6;
  const drawn = edges.filter((edge) => senders.includes(edge.client) && receivers.includes(edge.server));
  return (
    <div className="clear-map">
      <svg viewBox={`0 0 ${WIDTH} ${height}`} role="group" aria-label={t.label}>
        {drawn.map((edge) => {
          const from = y(senders.indexOf(edge.client));
          const to = y(receivers.indexOf(edge.server));
          const middle = (LEFT + RIGHT) / 2;
          return (
            <Link
              key={`${edge.client} ${edge.server}`}
              to="/network"
              search={{ id: edge.finding }}
              aria-label={t.edge(edge.client, edge.server, edge.apps.join(', '))}
            >
              <path
                className={`clear-edge clear-edge-${edge.severity}`}
                d={`M ${LEFT} ${from} C ${middle} ${from}, ${middle} ${to}, ${RIGHT} ${to}`}
              >
                <title>{t.edge(edge.client, edge.server, edge.apps.join(', '))}</title>
              </path>
            </Link>
          );
        })}
        {senders.map((name, i) => (
          <text key={name} x={LEFT - 8} y={y(i)} textAnchor="end" dominantBaseline="middle" className="clear-node">
            {name}
          </text>
        ))}
        {receivers.map((name, i) => (
          <text key={name} x={RIGHT + 8} y={y(i)} dominantBaseline="middle" className="clear-node">
            {name}
          </text>
        ))}
      </svg>
      {hidden > 0 && <p className="dim">{t.more(hidden)}</p>}
    </div>
  );
}
