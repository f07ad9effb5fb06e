import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/index.ts'
import type { ChangeEffect, EditEffect } from '../whitebox/index.ts'

/** Refuses a file that is no place for an edit of weights. */
export function mustBeEdit(verb: string, to: string): void {
  if (to.endsWith('.gguf'))
    throw new UserError(`${verb} --to: must be a safetensors file, got ${to}; a control vector of llama.cpp cannot hold this`)
}

/** What an edit does, as rows of a table. */
export function effectRows(effect: EditEffect & Partial<Pick<ChangeEffect, 'before' | 'random'>>, where: string): string[][] {
  const { success, probability, interval, paraphrases, paraphrasesInterval, before, random, controlKl } = effect
  return [
    [`said on ${where}`, `${share(success, interval)}, probability ${probability.toFixed(3)}`],
    ...(paraphrases === undefined ? [] : [['said on paraphrases', share(paraphrases, paraphrasesInterval)]]),
    ...(before && random
      ? [['without, and by random edits', `${before.success.toFixed(2)}, ${random.success.toFixed(2)}; probability ${before.probability.toFixed(3)}, ${random.probability.toFixed(3)}`]] // biome-ignore format: one line
      : []),
    ['KL on control texts', `${controlKl.estimate.toPrecision(3)} nats [${controlKl.low.toPrecision(2)}, ${controlKl.high.toPrecision(2)}]${controlKl.cannotTell ? `, cannot tell: ${controlKl.cannotTell}` : ''}`], // biome-ignore format: one line
  ]
}

/** The same for `--json`: the KL as a number with its interval beside it. */
export function effectLine<T extends EditEffect>({ controlKl, ...effect }: T) {
  return { ...effect, controlKl: controlKl.estimate, controlKlInterval: controlKl }
}

function share(x: number, interval: Estimate | undefined): string {
  return interval ? `${x.toFixed(2)} [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}] of ${interval.n}` : x === 1 ? 'yes' : 'no'
}
