/** Advisories about medical devices: what is affected, and the open questions to biomedical engineering with their answers. */

import { Button, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Finding } from '../core/records.ts';
import { api, withParams } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import type { Page } from './api-types.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { didIt } from './undo.ts';

const t = texts.patching.devices;
const pathOf = (kind: string) => withParams('/v1/findings', { room: 'patching', kind, state: 'open', limit: 500 });
const QUESTIONS = pathOf('device-advisory-question');
const AFFECTED = pathOf('device-advisory');

export default function PatchingDevices() {
  const questions = useAnswer<Page<Finding>>(QUESTIONS);
  const affected = useAnswer<Page<Finding>>(AFFECTED);
  const error = questions.error ?? affected.error;
  if (!questions.data || !affected.data) return error ? <Problem error={error} /> : <Waiting rows={8} />;
  if (questions.data.items.length + affected.data.items.length === 0)
    return (
      <Empty title={t.none} command={t.command}>
        {t.noneText}
      </Empty>
    );
  return (
    <>
      <section className="panel" aria-labelledby="device-questions">
        <h2 id="device-questions">{t.questions}</h2>
        {questions.data.items.length === 0 && <p className="dim">{t.noQuestions}</p>}
        <ul className="action-list">
          {questions.data.items.map((one) => (
            <Question key={one.id} finding={one} />
          ))}
        </ul>
      </section>
      <section className="panel" aria-labelledby="device-affected">
        <h2 id="device-affected">{t.affected}</h2>
        {affected.data.items.length === 0 && <p className="dim">{t.noAffected}</p>}
        <ul>
          {affected.data.items.map((one) => (
            <li key={one.id}>
              <Severity level={one.severity} />{' '}
              <Link to="/findings" search={{ view: 'list', id: one.id }}>
                {one.title}
              </Link>
              <div className="dim">
                {t.words}: {String(one.evidence[0]?.data?.words ?? '')}
              </div>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

const ANSWERS = ['affected', 'not affected', 'unknown'] as const;

function Question({ finding }: { finding: Finding }) {
  const client = useQueryClient();
  const [note, setNote] = useState('');
  const [saidBy, setSaidBy] = useState('');
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const role = useSession()?.person?.role;
  const device = finding.asset.name;
  const say = async (answer: (typeof ANSWERS)[number]) => {
    setError(null);
    setTried(true);
    if (saidBy.trim().length < 2) return;
    try {
      await api.post(`/v1/patching/questions/${finding.id}`, { answer, said_by: saidBy.trim(), note: note.trim() });
      didIt(t.answered(device, t.answers[answer]));
      setNote('');
      setTried(false);
      for (const path of [QUESTIONS, AFFECTED]) await client.invalidateQueries({ queryKey: ['answer', path] });
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <li aria-label={finding.title}>
      <p>
        <strong>{finding.detail ?? finding.title}</strong>
      </p>
      <p className="dim">
        {finding.evidence[0]?.what} · {t.words}: {String(finding.evidence[0]?.data?.words ?? '')}
      </p>
      <Problem error={error} />
      {role !== 'viewer' && (
        <div className="line line-end">
          <TextInput
            label={t.saidBy}
            value={saidBy}
            maxLength={200}
            error={tried && saidBy.trim().length < 2 ? t.saidByMissing : undefined}
            onChange={(event) => setSaidBy(event.currentTarget.value)}
          />
          <TextInput
            label={t.note}
            value={note}
            maxLength={1000}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          {ANSWERS.map((answer) => (
            <Button key={answer} aria-label={t.answerFor(device, t.answers[answer])} onClick={() => void say(answer)}>
              {t.answers[answer]}
            </Button>
          ))}
        </div>
      )}
    </li>
  );
}
