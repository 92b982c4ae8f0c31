/** A list and, beside it, the record that is open; on a narrow screen the one or the other. */

import { Button } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import { useKeys } from './keys.ts';
import { texts } from './texts.ts';

interface SplitViewProps {
  /** The page's name: its heading while only the detail is on screen. */
  readonly title: string;
  readonly list: ReactNode;
  readonly detail: ReactNode | null;
  readonly detailLabel: string;
  readonly onClose: () => void;
  /** `even`: the detail is where the work is (incidents); `wide`: the list is. */
  readonly balance?: 'even' | 'wide';
}

export function SplitView({ title, list, detail, detailLabel, onClose, balance = 'wide' }: SplitViewProps) {
  const panel = useRef<HTMLElement>(null);
  const open = detail !== null;
  const close = () => {
    onClose();
    document.querySelector<HTMLElement>('[role=grid]')?.focus();
  };
  useKeys({ Escape: open ? close : undefined });
  useEffect(() => {
    // On a narrow screen the list is hidden: focus must not stay on something that is not there.
    if (open && matchMedia('(max-width: 800px)').matches) panel.current?.focus();
  }, [open]);
  return (
    <div className={`split split-${balance}`} data-open={open || undefined}>
      <div className="split-list">{list}</div>
      {open && (
        <section className="split-detail" aria-label={detailLabel} tabIndex={-1} ref={panel}>
          <div className="narrow-only">
            <h1 className="visually-hidden">{title}</h1>
          </div>
          <div className="split-close">
            <Button onClick={close}>{texts.split.back}</Button>
          </div>
          {detail}
        </section>
      )}
    </div>
  );
}
