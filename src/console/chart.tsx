/** One chart: uPlot in the theme's colours, axes with units, drag to zoom, and the numbers as a table behind it. */

import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { texts } from './texts.ts';
import { localTime } from './time.tsx';

const TABLE_ROWS_MAX = 100;
/** One or two points still get an axis that means something. */
const SPAN_SEC_MIN = 60;

interface ChartProps {
  /** Unix seconds, ascending. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  readonly kind: 'bars' | 'line';
  readonly label: string;
  readonly unit: string;
  readonly height?: number;
  /** Called with Unix milliseconds when a stretch was dragged. */
  readonly onZoom?: ((fromMs: number, toMs: number) => void) | undefined;
}

/** Ticks of the time axis in the 24-hour clock: step in seconds, format, and what is added where the day turns. */
const TICKS: uPlot.Axis.DynamicValues | uPlot.Axis.Values = [
  [86_400, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [3600, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
  [60, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
];

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function optionsFor(props: ChartProps, width: number, height: number): uPlot.Options {
  const grid = { stroke: colour('--line'), width: 1 };
  const axis = { stroke: colour('--text-2'), grid, ticks: grid, font: '12px system-ui, sans-serif' };
  const bars = props.kind === 'bars' ? { paths: uPlot.paths.bars?.({ size: [0.9, 60], align: 1 }) } : {};
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, drag: { x: props.onZoom !== undefined, y: false, setScale: false } },
    scales: {
      x: {
        time: true,
        range: (plot, min, max) => {
          // A bar stands for the time after its beginning: the newest one needs its place too.
          const [first, second] = plot.data[0];
          const step = props.kind === 'bars' && first !== undefined && second !== undefined ? second - first : 0;
          return max - min >= SPAN_SEC_MIN ? [min, max + step] : [(max ?? 0) - SPAN_SEC_MIN, (max ?? 0) + step];
        },
      },
      y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] },
    },
    axes: [
      { ...axis, space: 80, values: TICKS },
      { ...axis, size: 56, space: 18, label: props.unit, labelSize: 18, labelFont: '12px system-ui, sans-serif' },
    ],
    series: [
      {},
      {
        label: props.label,
        stroke: colour('--accent'),
        fill: colour(props.kind === 'bars' ? '--accent' : '--accent-soft'),
        width: props.kind === 'bars' ? 0 : 1.5,
        points: { show: false },
        ...bars,
      },
    ],
    hooks: {
      setSelect: [
        (plot) => {
          if (plot.select.width < 4) return;
          const from = plot.posToVal(plot.select.left, 'x') * 1000;
          const to = plot.posToVal(plot.select.left + plot.select.width, 'x') * 1000;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          props.onZoom?.(Math.floor(from), Math.ceil(to));
        },
      ],
    },
  };
}

export default function Chart(props: ChartProps) {
  const { times, values, height = 130 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const scheme = useComputedColorScheme('light');

  // biome-ignore lint/correctness/useExhaustiveDependencies: the scheme changes the colours that are read from CSS
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const { times: x, values: y } = latest.current;
    const onZoom = latest.current.onZoom && ((from: number, to: number) => latest.current.onZoom?.(from, to));
    const made = new uPlot(
      optionsFor({ ...latest.current, onZoom }, element.clientWidth || 300, height),
      [[...x], [...y]],
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [height, props.kind, scheme]);

  useEffect(() => {
    plot.current?.setData([[...times], [...values]]);
  }, [times, values]);

  const total = values.reduce((sum, value) => sum + value, 0);
  const rows = times.map((time, index) => ({ time, value: values[index] ?? 0 })).slice(-TABLE_ROWS_MAX);
  return (
    <figure className="chart">
      <div
        ref={box}
        style={{ minHeight: height }}
        role="img"
        aria-label={texts.chart.label(props.label, total, times.length)}
      />
      <details>
        <summary>{texts.chart.table}</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
        <section className="chart-table" tabIndex={0} aria-label={texts.chart.tableOf(props.label)}>
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">{texts.chart.time}</th>
                <th scope="col">{props.unit}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ time, value }) => (
                <tr key={time}>
                  <th scope="row">{localTime(new Date(time * 1000).toISOString())}</th>
                  <td className="number">{value.toLocaleString('en')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  );
}
