import { roc } from './roc.ts'

/** Every channel, on twenty seeds. */
export default roc(
  [1, 2, 3, 4, 5],
  Array.from({ length: 20 }, (_, seed) => seed),
)
