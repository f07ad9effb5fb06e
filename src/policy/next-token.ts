import { type Program, type Resident, sharedTensor } from '../engine/index.ts'
import { argMax, logSumExp, reshape, sameShape, softmax, type Tensor, takeRows, type Value } from '../graph/index.ts'

/** What may come next in each row; it holds until the next is asked for. */
export interface NextTokens {
  at(row: number): NextToken
}

export interface NextToken {
  /** The likeliest token, at temperature 0; else `weights`. */
  readonly likeliest?: number
  /** Probability of every token at the temperature that is sampled with; every token's logit, where logits are asked for. */
  readonly weights: Float32Array
  /** Log-probability of a token at temperature 1, nats; at temperature 0 of the likeliest alone. */
  logp(id: number): number
}

/**
 * What a sampler asks of a model's scores at a temperature, or of the logits themselves: the outputs of its programs, and their numbers read
 * back after a run. They lie in memory that the engine writes over in the next run.
 */
export function openNextTokens(temperature: number | 'logits', vocabSize: number) {
  const buffers: Record<string, Tensor> = {}
  return {
    /** shape  scores f32[rows, V] */
    outputs(scores: Value): Record<string, Value> {
      if (temperature === 0) {
        const likeliest = argMax(scores)
        const [rows] = likeliest.shape as [number]
        const highest = takeRows(reshape(scores, [rows * vocabSize]), likeliest)
        return { likeliest, logps: highest.sub(reshape(logSumExp(scores), [rows])) }
      }
      if (temperature === 1) return { weights: softmax(scores) }
      // Hot sampling takes tokens whose own probability is 0 in f32, so their log-probability cannot be its logarithm.
      return { weights: temperature === 'logits' ? scores : softmax(scores.div(temperature)), logps: scores.sub(logSumExp(scores)) }
    },

    /** Runs a program for what may come next; numbers of the last time are written over. */
    async run(program: Program, inputs: Parameters<Program['run']>[0], into: Readonly<Record<string, Resident>>): Promise<NextTokens> {
      for (const name of ['weights', 'logps', 'likeliest']) {
        const type = program.graph.outputs[name]
        const known = buffers[name]
        if (!type) delete buffers[name]
        else if (!known || !sameShape(known.shape, type.shape)) buffers[name] = sharedTensor(type)
      }
      await program.run(inputs, { ...into, ...buffers })
      const weights = buffers.weights?.data as Float32Array
      const logps = buffers.logps?.data as Float32Array | undefined
      const likeliest = buffers.likeliest?.data as Int32Array | undefined
      if (likeliest) return { at: (row) => ({ likeliest: likeliest[row]! % vocabSize, weights: none, logp: () => logps![row]! }) }
      return {
        at: (row) => ({
          weights: weights.subarray(row * vocabSize, (row + 1) * vocabSize),
          logp: (id) => logps?.[row * vocabSize + id] ?? Math.log(weights[row * vocabSize + id]!),
        }),
      }
    },
  }
}
const none = new Float32Array()
