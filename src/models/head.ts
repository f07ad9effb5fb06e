import {
  addRows,
  constant,
  demand,
  expectedRow,
  type InBlocks,
  linear,
  logPartition,
  logSumExp,
  matmul,
  reshape,
  sizeOf,
  sum,
  takeRows,
  transpose,
  type Value,
} from '../graph/index.ts'
import { capped } from './capped.ts'
import type { DecoderConfig } from './config.ts'
import type { DecoderParams } from './params.ts'

/**
 * Log-probabilities of wanted next tokens, without ever holding more than [N, vocabulary], or [N, vocabulary / blocks]: logit of the target
 * minus log Σ e^logit.
 *
 * shape   hidden f32[R, T, d], wanted i32[N] flat positions, targets i32[N] → f32[N], nats
 */
export function tokenLogps(
  params: DecoderParams<Value>,
  hidden: Value,
  wanted: Value,
  targets: Value,
  config: DecoderConfig,
  { blocks = 1 }: { readonly blocks?: number } = {},
): Value {
  const { said, all, at } = tokenScores(params, hidden, wanted, targets, config)
  const whole = blocks > 1 && !config.logitCap ? logPartition(at, headOf(params), { blocks }) : logSumExp(all)
  return reshape(said.sub(whole), wanted.shape)
}

/**
 * The entropy of the next token at wanted positions, in blocks of the vocabulary: log Σ e^logit − x·E[w]. The row that is expected of the head is
 * also what the gradient of tokenLogps computes, so that in a training step nothing more is multiplied.
 *
 * shape   hidden f32[R, T, d], wanted i32[N] flat positions → f32[N], nats
 * limits  for logits that are not capped
 */
export function entropyInBlocks(params: DecoderParams<Value>, hidden: Value, wanted: Value, how: InBlocks): Value {
  const [at, head] = [rowsAt(hidden, wanted), headOf(params)]
  const expected = sum(at.mul(expectedRow(at, head, how)), [-1])
  return reshape(logPartition(at, head, how).sub(reshape(expected, [...wanted.shape, 1])), wanted.shape)
}

/**
 * In how many blocks of its vocabulary a head is best computed for so many tokens: in one while the logits are few. A head that is trained
 * is multiplied once more in blocks, so there they must be many.
 *
 * limits  a divisor of the vocabulary; 1 for one that has none, and where logits are capped
 */
export function headBlocks({ vocabSize, logitCap }: DecoderConfig, tokens: number, { trained }: { readonly trained: boolean }): number {
  const logits = tokens * vocabSize
  if (logitCap || logits <= (trained ? MOST_TRAINED : MOST_LOGITS)) return 1
  const wanted = Math.min(MOST_BLOCKS, Math.ceil(logits / MOST_LOGITS))
  const divisors = Array.from({ length: MOST_BLOCKS }, (_, i) => i + 1).filter((n) => vocabSize % n === 0)
  return divisors.find((n) => n >= wanted) ?? divisors.at(-1)!
}

/** Logits that are held at a time: 16 MiB of them. */
const MOST_LOGITS = 2 ** 22
/** Of a head that is trained: 128 MiB. */
const MOST_TRAINED = 2 ** 25
const MOST_BLOCKS = 128

/** Logits at wanted positions: that of the target, computed alone, and all of them. */
export interface TokenScores {
  /** f32[N, 1] */
  readonly said: Value
  /** f32[N, V] */
  readonly all: Value
  /** What they are made of: f32[N, d] */
  readonly at: Value
}

/** The rows that logits are made with. throws ShapeError for a reward model, which has none */
function headOf({ head, embed, score }: DecoderParams<Value>): Value {
  demand(!score, () => 'logits: must be of a policy, got a reward model, which scores texts and says no token')
  return head ?? embed
}

/** The logits that tokenLogps is of. */
export function tokenScores(
  params: DecoderParams<Value>,
  hidden: Value,
  wanted: Value,
  targets: Value,
  { logitCap }: DecoderConfig,
): TokenScores {
  const head = headOf(params)
  const at = rowsAt(hidden, wanted)
  const said = capped(sum(at.mul(takeRows(head, targets)), [-1]), logitCap)
  return { said, all: capped(matmul(at, transpose(head)), logitCap), at }
}

/**
 * What the head of a reward model makes of wanted positions.
 *
 * shape   hidden f32[R, T, d], wanted i32[N] flat positions → f32[N]
 */
export function rewardsAt({ score }: DecoderParams<Value>, hidden: Value, wanted: Value): Value {
  const at = rowsAt(hidden, wanted)
  return reshape(matmul(at, transpose(score!)), wanted.shape)
}

/** shape hidden f32[R, T, d], wanted i32[N] flat positions → f32[N, d] */
function rowsAt(hidden: Value, wanted: Value): Value {
  return takeRows(reshape(hidden, [sizeOf(hidden.shape.slice(0, -1)), hidden.shape.at(-1)!]), wanted)
}

/** Logits over the whole vocabulary. shape hidden f32[…, d] → f32[…, V] */
export function logits(params: DecoderParams<Value>, hidden: Value, { logitCap }: DecoderConfig): Value {
  return capped(linear(hidden, headOf(params)), logitCap)
}

/**
 * Log-probability of each completion: the wanted tokens' summed by slot.
 *
 * shape   logps, weights f32[N], completion i32[N] → f32[C], nats
 */
export function completionLogps(logps: Value, completion: Value, weights: Value, completions: number): Value {
  return addRows(constant(0, [completions]), completion, logps.mul(weights))
}
