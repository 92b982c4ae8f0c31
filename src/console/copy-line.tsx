/** A command or line ready to copy. */

import { Button } from '@mantine/core';
import { useState } from 'react';
import { texts } from './texts.ts';

export function CopyLine({ text, label }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      // Without permission the line stays selectable by hand.
    }
  };
  return (
    <span className="copy-line">
      <code>{text}</code>
      <Button onClick={() => void copy()} aria-label={texts.copy.label(label ?? text)}>
        {copied ? texts.copy.done : texts.copy.action}
      </Button>
    </span>
  );
}
