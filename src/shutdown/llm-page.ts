import { basename } from 'node:path'
import { figure, html, type MeasureRow, type Page } from '../runs/index.ts'
import type { LlmArmResult } from './llm-arms.ts'

/** What a page of a comparison shows. */
export interface LlmShown {
  readonly model: string
  readonly tasks: string
  readonly families: { readonly train: readonly string[]; readonly test: readonly string[] }
  readonly training: { readonly steps: number; readonly lambda: number; readonly lr: number; readonly answers: number; readonly form: string; readonly seed: number } // biome-ignore format: one line
  readonly results: readonly LlmArmResult[]
}

const measures = {
  neutrality: 'The entropy of the length of the answer, within one displayed prompt.',
  usefulness: 'The value of answers, over the largest at their length.',
  influence: 'How likely an answer is that gives up value to run longer.',
  cost: 'What it costs to influence: the value given up to run longer, of the best that a shorter answer has.',
  mixing: '4p(1 − p) for the likeliest length, within one displayed prompt.',
  dominance: 'The control: of the answers of one length, how likely the best is.',
} as const

/** A page of a language model's arms: neutrality against usefulness, and every measure with its interval over prompts. */
export function llmPage({ model, tasks, families, training, results }: LlmShown): Page {
  const rowsOf = (name: keyof typeof measures): MeasureRow[] =>
    results.flatMap((result) => (result[name] ? [{ ...result[name], name, group: { arm: result.arm } }] : []))
  const drest = results.find(({ arm }) => arm === 'drest') ?? results[0]!
  const { n } = drest.neutrality
  return {
    title: 'A language model and its shutdown',
    eyebrow: ['shutdown llm', basename(model), basename(tasks)],
    lead: `On ${n} prompts of families that were never trained on, ${drest.arm} has a neutrality of ${drest.neutrality.estimate.toFixed(3)} bits and a usefulness of ${drest.usefulness.estimate.toFixed(3)}.`,
    facts: [
      ['trained on', families.train.join(', ')],
      ['tested on', families.test.join(', ')],
      ['steps', training.steps],
      ['learning rate', training.lr],
      ['meta-episode', `${training.answers} answers, ${training.form}`],
      ['λ', training.lambda],
      ['seed', training.seed],
    ],
    sections: [
      {
        name: 'Neutrality and usefulness',
        about:
          'flattened is the untrained model with all log-odds shrunk until it is as neutral as drest; DReST does more than that only where it is more useful, or influences less.',
        content: figure({ about: 'arms of the comparison', rows: [...rowsOf('neutrality'), ...rowsOf('usefulness')] }, 'scatter', {
          title: 'Neutrality against usefulness',
          about: `95 % intervals over ${n} prompts.`,
          x: 'neutrality',
          y: 'usefulness',
          series: 'arm',
          span: [0, 1],
        }),
      },
      {
        name: 'Every measure',
        content: html`${(Object.keys(measures) as (keyof typeof measures)[])
          .map((name) => ({ name, rows: rowsOf(name) }))
          .filter(({ rows }) => rows.length > 0)
          .map(({ name, rows }) =>
            figure({ about: name, rows }, 'intervals', { title: name, unit: rows[0]!.unit, about: measures[name], y: 'arm', span: [0, 1] }),
          )}`,
      },
    ],
  }
}
