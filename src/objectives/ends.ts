import type { Tree } from '../policy/index.ts'
import type { Example } from './objective.ts'
import { column } from './side.ts'

/** An example's tree, read to the end of each completion: the last token of a completion is only ever asked for, so one more is asked for. */
export function readToEnds({ tree: { prompt, completions } }: Pick<Example, 'tree'>): Tree {
  return { prompt, completions: completions.map((ids) => [...ids, prompt[0]!]) }
}

/** 1 where a completion of a micro-batch ends, 0 at all other positions asked for. shape f32[tokens] */
export function endsOf(examples: readonly Pick<Example, 'tree'>[], tokens: number) {
  const ends = new Array<number>(tokens).fill(0)
  let at = -1
  for (const { tree } of examples) for (const { length } of tree.completions) ends[(at += length + 1)] = 1
  return column(ends)
}
