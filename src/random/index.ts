export { philox } from './philox.ts'
export { type Random, random, seedFor } from './random.ts'
