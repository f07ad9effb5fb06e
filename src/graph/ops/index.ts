import type { Op } from '../value.ts'
import * as elementwise from './elementwise.ts'
import * as indexing from './indexing.ts'
import * as leaf from './leaf.ts'
import * as linear from './linear.ts'
import * as marks from './marks.ts'
import * as partition from './partition.ts'
import * as reduce from './reduce.ts'
import * as shape from './shape.ts'

/** Every primitive there is. The table test walks it, so a new op is tested by existing. */
export const ops: readonly Op[] = [leaf, elementwise, shape, reduce, linear, indexing, marks, partition].flatMap((file) =>
  Object.values(file).filter((x): x is Op => typeof x === 'object' && x !== null && 'infer' in x),
)
