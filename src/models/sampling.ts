import { UserError } from '../graph/errors.ts'
import { type Constraint, stopWatch, streamDecoder, type Tokenizer } from '../text/index.ts'

/** How completions are sampled. */
export interface Sampling {
  /** Completions of each prompt. Default 1. */
  readonly perPrompt?: number
  /** Most new tokens. Default: what the context leaves. */
  readonly maxTokens?: number
  /** 0 takes the likeliest token. Default 1. */
  readonly temperature?: number
  /** Only the k likeliest tokens. Default: all. */
  readonly topK?: number
  /** Only the likeliest tokens that together have at least this probability. Default 1: all. */
  readonly topP?: number
  /** Only tokens that have at least this share of the likeliest one's probability. Default 0: all. */
  readonly minP?: number
  /** Above 1 makes tokens of the prompt and of the completion so far less likely. Default 1. */
  readonly repetitionPenalty?: number
  /** Strings that end a completion; they need a tokenizer. */
  readonly stop?: readonly string[]
  /** With it completions have a text. */
  readonly tokenizer?: Pick<Tokenizer, 'decode'>
  /** Allows tokens only where its text may go on with them, as `jsonSchema` does; the rest has no probability. */
  readonly constrain?: Constraint
  readonly seed: number
  readonly eosIds: readonly number[]
  /** Completions written side by side. Default 64. */
  readonly batch?: number
  /**
   * What new tokens are multiplied by: the weights, or the weights rounded to blocks of 8 or 4 bits, which are quicker to read and another
   * model, near to this one; log-probabilities are those of what was sampled from. Prompts are read with them too. Default f32.
   */
  readonly weights?: SampledWeights
  /**
   * Called with every token as it is chosen. With a tokenizer `piece` is the text that became certain with it: whole characters, and
   * nothing in which a stop string may yet begin; the pieces of a completion together are its text.
   */
  readonly onToken?: (prompt: number, index: number, id: number, logp: number, piece: string) => void
  /** Called as completions are finished, in the order they end. */
  readonly onCompletion?: (prompt: number, index: number, completion: Completion) => void
}

/** The forms of weights that can be sampled from. */
export const sampledWeights = ['f32', 'int8', 'int4'] as const
export type SampledWeights = (typeof sampledWeights)[number]

/** What a policy said after a prompt. */
export interface Completion {
  /** The end token is the last id when it was said; of a stop string the token that completed it. */
  readonly ids: readonly number[]
  /** Log-probability of each id under the full softmax at temperature 1, whatever the sampling was; nats. */
  readonly logps: readonly number[]
  /** An end token or a stop string was said. */
  readonly ended: boolean
  /** With a tokenizer: what is said after the prompt, without special tokens, up to the stop string. */
  readonly text?: string
  /** The stop string that ended it. */
  readonly stop?: string
}

/** The text of a completion as it grows. */
export interface DecodedText {
  /** The text that is certain with this id. */
  push(id: number): string
  /** The text that was held back. */
  end(): string
  readonly text: string
  readonly stop: string | undefined
}

/** Decodes a completion of a prompt token by token, up to a stop string. */
export function decodedText(tokenizer: Pick<Tokenizer, 'decode'>, prompt: readonly number[], stop: readonly string[] = []): DecodedText {
  const decoder = streamDecoder(tokenizer, prompt)
  const watch = stopWatch(stop)
  let text = ''
  const added = (piece: string) => {
    text += piece
    return piece
  }
  return {
    push: (id) => added(watch.push(decoder.push(id))),
    end: () => added(watch.stopped === undefined ? watch.push(decoder.end()) + watch.end() : ''),
    get text() {
      return text
    },
    get stop() {
      return watch.stopped
    },
  }
}

/**
 * Refuses settings that cannot be.
 *
 * throws  UserError
 */
export function checkSampling(sampling: Sampling) {
  const must = (name: keyof Sampling, holds: (x: number) => boolean, rule: string, remedy: string) => {
    const value = sampling[name] as number | undefined
    if (value !== undefined && !holds(value)) throw new UserError(`sample: ${name} must be ${rule}, got ${value}; ${remedy}`)
  }
  const counts = (x: number) => Number.isInteger(x) && x >= 1
  const whole = 'a whole number from 1 on'
  must('perPrompt', counts, whole, '1 is the default')
  must('maxTokens', counts, whole, 'leave it out to fill the context')
  must('temperature', (x) => Number.isFinite(x) && x >= 0, 'a number from 0 on', '1 samples as the model says')
  must('topK', counts, whole, 'leave it out for all tokens')
  must('topP', (x) => x > 0 && x <= 1, 'above 0 and at most 1', 'leave it out for all tokens')
  must('minP', (x) => x >= 0 && x <= 1, 'from 0 to 1', 'leave it out for all tokens')
  must('repetitionPenalty', (x) => Number.isFinite(x) && x > 0, 'a number above 0', '1 is no penalty')
  must('batch', counts, whole, '64 is the default')
  must('seed', Number.isInteger, 'a whole number', 'any will do')
  const { stop = [], tokenizer, weights = 'f32' } = sampling
  if (!sampledWeights.includes(weights))
    throw new UserError(`sample: weights must be one of ${sampledWeights.join(', ')}, got ${JSON.stringify(weights)}; leave it out for f32`)
  if (stop.includes('')) throw new UserError('sample: stop strings must have a character, got ""; leave it out')
  if (stop.length > 0 && !tokenizer) throw new UserError('sample: stop strings need a tokenizer, got none; give the one of the model')
}
