import { UserError } from '../graph/index.ts'
import { type DecoderConfig, headBlocks } from '../models/index.ts'
import { cacheBytes } from '../policy/index.ts'
import type { TrainSettings } from '../recipe/recipe.ts'
import type { Work } from './estimate.ts'

const float = 4
/** Node, ONNX Runtime and its programs before any model; and what the programs of single blocks were seen to take besides. */
const [processBytes, stagesBytes] = [280e6, 300e6]
/** What the way back makes while it reads, on top of what it reads. */
const WAY_BACK = 1.1
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
export function memoryNeeds(config: DecoderConfig, train: TrainSettings, work: Work): number {
  const { block, head, all } = sizesOf(config)
  // Of a step, with a tenth of padding; one that is longer than the budget takes several passes.
  const step = Math.min(1.1 * train.batch * work.length, work.trained.positions)
  const positions = Math.min(train.tokenBudget, step)
  const blockwise = blockwiseFor(config, train)
  const small = float * all < LAZY_FROM ? all : 0
  // Brought in: a block, the embedding or the head, and what the larger of them is read into.
  const largest = Math.max(block / config.layers, head)
  const frozen = small + (frozenOutside(config, train, work.sampled === 0) ? block / config.layers + head + largest : all)
  const trained = trainedNumbers(config, train, { blockwise, passes: step / train.tokenBudget })
  const moment = Math.max(float * activations(config, train, work, { positions, blockwise }), samplingBytes(config, train, work))
  return processBytes + (blockwise && work.trained.positions > 0 ? stagesBytes : 0) + float * (frozen + trained) + moment
}

/** Numbers that a pass of a training step holds at its largest moment. */
function activations(
  config: DecoderConfig,
  { lora }: TrainSettings,
  { trained, length }: Work,
  { positions, blockwise }: { readonly positions: number; readonly blockwise: boolean },
): number {
  const { layers, hiddenSize, vocabSize } = config
  const wanted = trained.positions === 0 ? 0 : (positions * trained.wanted) / trained.positions
  const blocks = headBlocks(config, wanted, { trained: !lora })
  // In blocks: products, what is made of them, and the gradient of a head that is trained on its way.
  const head = blocks === 1 ? 2 * wanted * vocabSize : (3 * wanted * vocabSize) / blocks + (lora ? 0 : 2 * vocabSize * hiddenSize)
  const oneBlock = WAY_BACK * inside(config, positions, length)
  // Block by block, what ends each block besides.
  return head + (blockwise ? oneBlock + positions * hiddenSize * (layers + 2) : layers * oneBlock)
}

/** Keys and values of what is sampled at a time, and weights that are packed for it. */
function samplingBytes(config: DecoderConfig, { lora }: TrainSettings, { sampling }: Work): number {
  if (!sampling) return 0
  const { all } = sizesOf(config)
  // Larger ones are multiplied by as they lie, see freeze; those of adapters are merged first.
  const packed = float * all <= 2 ** 28 ? (lora ? 2 : 1) * all : 0
  return float * packed + cacheBytes(config, sampling)
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
