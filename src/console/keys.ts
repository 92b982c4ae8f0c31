/** Single-key shortcuts: the last page that registered a key has it; off while somebody types or a dialog is open. */

import { useEffect, useRef } from 'react';

type Handler = () => void;
/** `j`, `Enter`, `?`, or a sequence with a space: `g i`. */
export type Bindings = Readonly<Record<string, Handler | undefined>>;

const SEQUENCE_MS = 2000;
const OFF_KEY = 'asepsis-keys-off';
const layers: { current: Bindings }[] = [];
let prefix: string | null = null;
let prefixAt = 0;

/** WCAG 2.1.4: shortcuts of one character can be turned off. */
export const keysAreOff = (): boolean => localStorage.getItem(OFF_KEY) === '1';
export function turnKeys(off: boolean): void {
  if (off) localStorage.setItem(OFF_KEY, '1');
  else localStorage.removeItem(OFF_KEY);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.closest('input:not([type=checkbox]), textarea, select, dialog') !== null;
}

/** Enter and space belong to the control that has the focus. */
const isControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('button, a, summary, [role=tab], [role=radio]') !== null;

function find(name: string): Handler | undefined {
  for (let i = layers.length - 1; i >= 0; i--) {
    const handler = layers[i]?.current[name];
    if (handler) return handler;
  }
  return undefined;
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const single = event.key.length === 1;
  if (isTyping(event.target) || (single && keysAreOff())) return;
  if (event.key === 'Enter' && isControl(event.target)) return;
  const inSequence = prefix !== null && event.timeStamp - prefixAt < SEQUENCE_MS;
  const name = inSequence ? `${prefix} ${event.key}` : event.key;
  prefix = null;
  if (!inSequence && event.key === 'g') {
    prefix = 'g';
    prefixAt = event.timeStamp;
    event.preventDefault();
    return;
  }
  const handler = find(name);
  if (!handler) return;
  event.preventDefault();
  handler();
}

let listening = false;

/** Registers the bindings while the component is on screen. */
export function useKeys(bindings: Bindings): void {
  const layer = useRef(bindings);
  useEffect(() => {
    layer.current = bindings;
  });
  useEffect(() => {
    if (!listening) {
      listening = true;
      document.addEventListener('keydown', onKeyDown);
    }
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}
