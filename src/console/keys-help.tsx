/** All keys on one sheet, and the switch that turns single keys off. */

import { Button, Checkbox } from '@mantine/core';
import { type RefObject, useState } from 'react';
import { keysAreOff, turnKeys } from './keys.ts';
import { texts } from './texts.ts';

interface KeysHelpProps {
  readonly dialog: RefObject<HTMLDialogElement | null>;
  readonly pages: readonly { readonly key: string; readonly name: keyof typeof texts.pages }[];
}

export function KeysHelp({ dialog, pages }: KeysHelpProps) {
  const [off, setOff] = useState(keysAreOff);
  const rows: readonly (readonly [string, string])[] = [
    ...texts.keys.list,
    ...pages.map((page) => [`g ${page.key}`, texts.keys.go(texts.pages[page.name])] as const),
  ];
  return (
    <dialog ref={dialog} className="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">{texts.keys.title}</h2>
      <dl>
        {rows.map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <Checkbox
        label={texts.keys.off}
        checked={off}
        onChange={(event) => {
          turnKeys(event.currentTarget.checked);
          setOff(event.currentTarget.checked);
        }}
      />
      <Button onClick={() => dialog.current?.close()}>{texts.keys.close}</Button>
    </dialog>
  );
}
