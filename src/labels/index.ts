export { type FilePair, readPairFile, type TrlRow, trlRows } from './pair-file.ts'
export {
  type Choice,
  type Counts,
  choices,
  type Label,
  type NewLabel,
  type NewPair,
  openStore,
  type Question,
  type Said,
  type Store,
  type StoredPair,
  type Turn,
} from './store.ts'
export { type Tally, tally } from './tally.ts'
