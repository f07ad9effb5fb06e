import { UserError } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import type { TrainSettings } from '../recipe/recipe.ts'
import type { Work } from './estimate.ts'

const float = 4
/** Node, ONNX Runtime and its programs before any model. */
const processBytes = 250e6
/** Weights of so many bytes are read when they are asked for (see loadCheckpoint): smaller ones are in memory twice. */
const LAZY_FROM = 2 ** 27
/** From so many bytes of f32 weights on a frozen model stays outside of the engine, whatever is done with it. */
export const STREAMED_FROM = 2 ** 31
/** A step that would take more is run block by block. */
const MOST_WHOLE = 3 * 2 ** 30

/** Parameters that a position passes through in the blocks and in the head, and all that there are. */
export function sizesOf({ vocabSize, hiddenSize, layers, heads, kvHeads, headDim, intermediateSize, tied, gated }: DecoderConfig) {
  const block = layers * hiddenSize * (2 * headDim * (heads + kvHeads) + (gated === false ? 2 : 3) * intermediateSize)
  const head = vocabSize * hiddenSize
  return { block, head, all: block + head * (tied ? 1 : 2) }
}

/** Whether the frozen model stays outside of the engine and is brought in block by block. */
export function frozenOutside(config: DecoderConfig, { lora }: Pick<TrainSettings, 'lora'>, trains: boolean): boolean {
  const bytes = float * sizesOf(config).all
  return lora ? bytes >= STREAMED_FROM : trains && bytes >= LAZY_FROM
}

/** Whether a step is run block by block: as the recipe says, or else where parameters and activations together would take more than 3 GiB. */
export function blockwiseFor(config: DecoderConfig, train: Pick<TrainSettings, 'lora' | 'blockwise' | 'tokenBudget'>): boolean {
  const { all } = sizesOf(config)
  const whole = float * ((train.lora ? 1 : 5) * all + inside(config, train.tokenBudget, config.contextLength / 8) * config.layers)
  return train.blockwise ?? (frozenOutside(config, train, false) || whole > MOST_WHOLE)
}

/** Numbers that the way back reads of one block: about ten vectors of the width, three of the middle layer, and each head's attention pattern. */
function inside({ hiddenSize, intermediateSize, heads }: DecoderConfig, positions: number, length: number): number {
  return positions * (10 * hiddenSize + 3 * intermediateSize + heads * Math.min(length, positions))
}

/** Memory of the largest moment of some work, in bytes: of the whole process. */
export function memoryNeeds(config: DecoderConfig, train: TrainSettings, { trained, sampled, length }: Work): number {
  const { layers, hiddenSize, kvHeads, headDim, vocabSize, contextLength } = config
  const { block, head, all } = sizesOf(config)
  // Of a step, with a tenth of padding; one that is longer than the budget takes several passes.
  const step = Math.min(1.1 * train.batch * length, trained.positions)
  const positions = Math.min(train.tokenBudget, step)
  const wanted = trained.positions === 0 ? 0 : (positions * trained.wanted) / trained.positions
  const blockwise = blockwiseFor(config, train)
  const outside = frozenOutside(config, train, sampled === 0)
  const oneBlock = inside(config, positions, length)
  // Two matrices of the head; block by block, what ends each block besides.
  const activations = (blockwise ? oneBlock + positions * hiddenSize * (layers + 2) : layers * oneBlock) + 2 * wanted * vocabSize
  // Keys and values of what is sampled at a time; their columns double until all fit.
  const columns = Math.min(contextLength, 2 * length)
  const cache = sampled > 0 ? 96 * (4 * layers * kvHeads * headDim * columns + 2 * vocabSize) : 0
  const small = float * all < LAZY_FROM ? all : 0
  // Brought in: a block, the embedding or the head, and what the larger of them is read into.
  const largest = Math.max(block / layers, head)
  const frozen = small + (outside ? block / layers + head + largest : all)
  return processBytes + float * (frozen + trainedNumbers(config, train, { blockwise, passes: step / train.tokenBudget }) + Math.max(activations, cache)) // biome-ignore format: one line
}

/** What is trained, with its gradient and the optimizer's arrays; a step of several micro-batches has one gradient more. */
function trainedNumbers(
  config: DecoderConfig,
  { lora, optimizer }: TrainSettings,
  { blockwise, passes }: { blockwise: boolean; passes: number },
): number {
  const { layers, hiddenSize, heads, kvHeads, headDim, intermediateSize } = config
  const { block, all } = sizesOf(config)
  const each = 2 + optimizer.state.length + (passes > 1 ? 1 : 0)
  if (!lora) return each * all
  const adapted = lora.layers?.length ?? layers
  const numbers = adapted * lora.rank * (5 * hiddenSize + 2 * headDim * (heads + kvHeads) + 3 * intermediateSize)
  // A layer with an adapter is multiplied as one matrix, which the way back reads again.
  return each * numbers + (blockwise ? 1 : adapted) * (block / layers)
}

/** Most bytes that the engine holds: what is trained, with gradients and moments, and what is not outside. */
const ENGINE_BYTES = 2 ** 32

/**
 * Refuses a run that cannot fit, and says what would.
 *
 * units   machine: bytes that this machine has
 * throws  UserError when by the estimate, and 15 % less, the machine's memory or the engine's is too small
 */
export function checkFits(config: DecoderConfig, train: TrainSettings, work: Work, machine: number): void {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  const needsOf = (settings: TrainSettings) => ({ all: memoryNeeds(config, settings, work), engine: engineBytes(config, settings, work) })
  const fits = ({ all, engine }: { all: number; engine: number }) => 0.85 * all <= machine && engine <= ENGINE_BYTES
  const needs = needsOf(train)
  if (fits(needs)) return
  const { lora: _, ...full } = train
  const lora = { rank: 8, alpha: 16 }
  const last = Math.max(1, Math.round(config.layers / 4))
  const layers = Array.from({ length: last }, (_, i) => config.layers - last + i)
  const ways: [string, TrainSettings][] = [
    ['train.blockwise', { ...train, blockwise: true }],
    ['train.tokenBudget of 512', { ...train, tokenBudget: 512, blockwise: true }],
    ['train.lora of rank 8', { ...full, lora, blockwise: true }],
    [`train.lora of rank 8 on the last ${last} layers`, { ...full, lora: { ...lora, layers }, blockwise: true }],
  ]
  const would = ways.map(([name, settings]) => ({ name, needs: needsOf(settings) })).filter((way) => fits(way.needs))
  const remedy =
    would.length > 0
      ? `what would fit: ${would.map((way) => `${way.name} (${gigabytes(way.needs.all)})`).join(', ')}`
      : 'what would fit is a smaller model, or a machine with more memory'
  const most = needs.engine > ENGINE_BYTES ? `the engine's ${gigabytes(ENGINE_BYTES)}` : `the machine's ${gigabytes(machine)}`
  throw new UserError(
    `train: the run must fit into ${most}, got about ${gigabytes(needs.engine > ENGINE_BYTES ? needs.engine : needs.all)}; ${remedy}`,
  )
}

/** What lies in the engine's own memory. */
function engineBytes(config: DecoderConfig, train: TrainSettings, { trained, sampled, length }: Work): number {
  const { block, head, all } = sizesOf(config)
  const step = Math.min(1.1 * train.batch * length, trained.positions)
  const frozen = frozenOutside(config, train, sampled === 0) ? block / config.layers + head : float * all >= 2 ** 30 ? 0 : all
  const { lora: _, ...full } = train
  const mine = train.lora ? 0 : trainedNumbers(config, full as TrainSettings, { blockwise: true, passes: step / train.tokenBudget })
  return float * (frozen + mine)
}
