/** Recovery codes, shown this once: copy or save them, say so, go on. */

import { Button, Checkbox } from '@mantine/core';
import { useState } from 'react';
import { texts } from './texts.ts';

const t = texts.enrol;

interface RecoveryCodesProps {
  readonly codes: readonly string[];
  /** What the last button says. */
  readonly done: string;
  readonly onDone: () => void;
}

export function RecoveryCodes({ codes, done, onDone }: RecoveryCodesProps) {
  const [kept, setKept] = useState(false);
  const [copied, setCopied] = useState(false);
  const text = `${codes.join('\n')}\n`;
  const download = () => {
    const url = URL.createObjectURL(new Blob([`${t.codesFile}\n\n${text}`], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = 'asepsis-recovery-codes.txt';
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <div className="inline-form">
      <h2>{t.codes}</h2>
      <p>{t.codesText}</p>
      <ul className="codes mono">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <p className="buttons">
        <Button
          size="sm"
          onClick={() =>
            void navigator.clipboard.writeText(text).then(
              () => setCopied(true),
              () => setCopied(false),
            )
          }
        >
          {copied ? texts.copy.done : t.copyCodes}
        </Button>
        <Button size="sm" onClick={download}>
          {t.saveCodes}
        </Button>
      </p>
      <Checkbox
        size="sm"
        label={t.codesKept}
        checked={kept}
        onChange={(event) => setKept(event.currentTarget.checked)}
      />
      <p className="buttons">
        <Button variant="filled" size="sm" disabled={!kept} onClick={onDone}>
          {done}
        </Button>
      </p>
    </div>
  );
}
