import type { Tree } from '../policy/rows.ts'

/** Two completions of one prompt in tokens, and how many votes each got; its text where it came as text. */
export interface Pair {
  /** Which row of the file it is, counting from 0. */
  readonly row: number
  readonly prompt: readonly number[]
  readonly chosen: readonly number[]
  readonly rejected: readonly number[]
  readonly votes: readonly [forChosen: number, forRejected: number]
  /** By how many log-odds the chosen side must be ahead, for a reward model. */
  readonly margin?: number
  /** The voter has no preference between the two, and a little more on one side would not make one: not a tie, which has as many votes for each. */
  readonly gap?: true
  readonly text?: { readonly prompt: string; readonly chosen: string; readonly rejected: string }
}

/** One completion of a prompt in tokens, and whether it is wanted: the unpaired form, as KTO reads it. */
export interface Labelled {
  readonly row: number
  readonly prompt: readonly number[]
  readonly completion: readonly number[]
  readonly label: boolean
  /** For a reward model, where more than the label is known. */
  readonly votes?: readonly [forIt: number, against: number]
  readonly text?: { readonly prompt: string; readonly completion: string }
}

/** A pair as a tree: slot 0 is the chosen side, slot 1 the rejected one. */
export function pairTree({ prompt, chosen, rejected }: Pair): Tree {
  return { prompt, completions: [chosen, rejected] }
}

/** An unpaired row as a tree with one slot. */
export function labelledTree({ prompt, completion }: Labelled): Tree {
  return { prompt, completions: [completion] }
}
