import { roc } from './roc.ts'

/** The channels of gradient and clip, on twenty seeds. */
export default roc(
  [1, 2],
  Array.from({ length: 20 }, (_, seed) => seed),
)
