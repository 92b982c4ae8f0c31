/** Medical devices of the installation against the advisories of its feeds, with what people answered to the questions. */

import { type Asset, type FindingObservation, rfc3339 } from '../../core/index.ts';
import type { DeviceAdvisory } from './device-advisory.ts';
import { type Device, type DeviceAnswer, deviceFinding, judgeAdvisory } from './device-match.ts';

/** What a person said to the question of an advisory. */
interface Said {
  readonly answer: 'affected' | 'not affected' | 'unknown';
  readonly said_by: string;
  readonly at: string;
  readonly note: string;
}

export interface DeviceJudge {
  readonly size: number;
  judge(
    asset: Pick<Asset, 'name' | 'criticality'>,
    facts: { readonly vendor?: string; readonly model?: string; readonly version?: string },
    answers: ReadonlyMap<string, Said>,
    policy: { readonly contain_days: Readonly<Record<string, number | null>> },
  ): FindingObservation[];
}

export function createDeviceJudge(advisories: readonly DeviceAdvisory[], now: number): DeviceJudge {
  // Hospitals have the same device many times; each different one is judged once.
  const known = new Map<string, readonly { advisory: DeviceAdvisory; answer: DeviceAnswer }[]>();
  return {
    size: advisories.length,
    judge(asset, facts, answers, policy) {
      const { vendor = '', model = '', version = '' } = facts;
      if (model === '') return [];
      const device: Device = { name: asset.name, vendor, model, version };
      const key = JSON.stringify([vendor, model, version]);
      const found =
        known.get(key) ??
        advisories.flatMap((advisory) => {
          const answer = judgeAdvisory(device, advisory);
          return answer ? [{ advisory, answer }] : [];
        });
      known.set(key, found);
      return found.flatMap(({ advisory }) => {
        const said = answers.get(advisory.id);
        if (said?.answer === 'not affected') return [];
        const answer = judgeAdvisory(device, advisory);
        if (!answer) return [];
        const sure: DeviceAnswer =
          said?.answer === 'affected' ? { ...answer, answer: 'affected', question: null } : answer;
        const finding = deviceFinding(device, advisory, sure, now);
        const days = sure.answer === 'affected' ? (policy.contain_days[finding.severity] ?? null) : null;
        return [
          {
            ...finding,
            due: days === null ? null : rfc3339(now + days * 86_400_000),
            ...(said ? { detail: wordsOf(said, sure.question) } : {}),
          },
        ];
      });
    },
  };
}

/** Who said what and when; what nobody could tell yet stays a question. */
const wordsOf = ({ answer, said_by, at, note }: Said, question: string | null): string =>
  `${question === null ? '' : `${question} `}${said_by} answered on ${at.slice(0, 10)}: ${answer}. ${note}`.trim();
