import type { InspectLog, InspectSample, InspectScore } from './inspect-log.ts'
import type { ReportData } from './report-data.ts'
import type { SampleRow } from './schema.ts'

/**
 * A run as a log for Inspect: a sample for each prompt that was completed before and after, with the judge's votes where it was asked;
 * each measure with its interval as metrics; verdict, criteria and alarms in the metadata.
 */
export function inspectRun({ manifest, verdict, evaluations, samples }: ReportData): InspectLog {
  const { kind, name, model, data, objective, started, ended } = manifest
  const look = evaluations.at(-1)
  const measures = Object.entries(look?.measures ?? {})
  return {
    task: `${kind} ${name}`,
    about: 'How a model completes prompts before and after it was trained.',
    model: model.name,
    dataset: data.map(({ path }) => path).join(', '),
    created: new Date(ended ?? started),
    samples: samples.map((sample, i) => sampleOf(sample, String(i + 1).padStart(String(samples.length).length, '0'))),
    metrics: {
      ...(samples.some(({ votes }) => votes) && { judge: {} }),
      ...Object.fromEntries(measures.map(([measure, { estimate, low, high, n }]) => [measure, { estimate, low, high, n }])),
    },
    metadata: {
      objective: objective.name,
      ...(look && { look: look.look, round: look.round, criteria: look.criteria }),
      ...(verdict && { verdict: verdict.verdict, reasons: verdict.reasons, alarms: verdict.alarms ?? [] }),
      command: manifest.command,
      sha256: model.sha256,
    },
  }
}

function sampleOf({ prompt, reference, policy, votes, slice }: SampleRow, place: string): InspectSample {
  return {
    id: `prompt ${place}`,
    input: prompt,
    target: '',
    said: policy.text,
    scores: votes ? { judge: judged(votes) } : {},
    metadata: { before: reference.text, tokens: policy.tokens, ended: policy.ended, ...(slice && { slice }) },
  }
}

/** The share of votes for what the trained model said; without a vote, half. */
function judged([after, before]: readonly [number, number]): InspectScore {
  const all = after + before
  return { value: all === 0 ? 0.5 : after / all, explanation: `${after} of ${all} votes for what is said after training` }
}
