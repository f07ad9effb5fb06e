import { argMax, graph, input, reshape, type Tensor, tensor } from '../graph/index.ts'
import { logits, tokenLogps } from '../models/head.ts'
import { over, type Policy, policyInputs, reader } from '../policy/index.ts'
import { kl } from './kl.ts'

/** What a model predicts on texts beside another: one number a text, each the mean over its next tokens. */
export interface Predictions {
  /** Share of next tokens whose likeliest prediction is the other model's. */
  readonly top1: readonly number[]
  /** −log p of the token that stands there, nats. */
  readonly loss: readonly number[]
  /** KL(other model ‖ this one), nats. */
  readonly kl: readonly number[]
}

const readFinal = reader(['final'])
const rowsAtOnce = 64

/** What the head reads at every token of texts. shape → f32[tokens of all texts, d] */
export async function finalStates(policy: Policy, texts: readonly (readonly number[])[], signal?: AbortSignal): Promise<Tensor> {
  const trees = texts.map((ids) => ({ prompt: ids, completions: [] }))
  const { final } = await over(policy, trees, readFinal, { per: 'token', ...(signal ? { signal } : {}) })
  return final!
}

/**
 * What one set of final states predicts beside another, both read by a model's head.
 *
 * shape   f32[tokens of all texts, d], twice
 * units   nats per next token
 */
export async function predictions(
  head: Policy,
  states: Tensor,
  others: Tensor,
  texts: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<Predictions> {
  const d = states.shape[1]!
  // The last token of a text has no next one.
  let token = 0
  const places = texts.flatMap((ids, text) =>
    ids.flatMap((_, t) => {
      token++
      return t + 1 < ids.length ? [{ text, row: token - 1, next: ids[t + 1]! }] : []
    }),
  )
  const sums = { top1: texts.map(() => 0), loss: texts.map(() => 0), kl: texts.map(() => 0) }
  for (let from = 0; from < places.length; from += rowsAtOnce) {
    signal?.throwIfAborted()
    const some = places.slice(from, from + rowsAtOnce)
    const rowsOf = ({ data }: Tensor) => {
      const rows = new Float32Array(rowsAtOnce * d)
      some.forEach(({ row }, i) => {
        rows.set((data as Float32Array).subarray(row * d, (row + 1) * d), i * d)
      })
      return tensor(rows, [rowsAtOnce, d])
    }
    const next = Int32Array.from({ length: rowsAtOnce }, (_, i) => some[i]?.next ?? 0)
    const program = await head.program('predictions', () => traceRows(head, d))
    const found = await program.run({
      ...head.given,
      'predictions.states': rowsOf(states),
      'predictions.others': rowsOf(others),
      'predictions.next': tensor(next, [rowsAtOnce]),
      'predictions.rows': eachRow,
    })
    some.forEach(({ text }, i) => {
      sums.top1[text]! += found.said!.data[i] === found.otherSaid!.data[i] ? 1 : 0
      sums.loss[text]! += found.loss!.data[i]!
      sums.kl[text]! += found.kl!.data[i]!
    })
  }
  const mean = (all: number[]) => all.map((total, text) => total / (texts[text]!.length - 1))
  return { top1: mean(sums.top1), loss: mean(sums.loss), kl: mean(sums.kl) }
}

function traceRows(head: Policy, d: number) {
  const { params, inputs } = policyInputs(head)
  const states = input('predictions.states', [rowsAtOnce, d])
  const others = input('predictions.others', [rowsAtOnce, d])
  const next = input('predictions.next', [rowsAtOnce], 'i32')
  const rows = input('predictions.rows', [rowsAtOnce], 'i32')
  const [here, there] = [logits(params, states, head.config), logits(params, others, head.config)]
  return graph(
    { ...inputs, 'predictions.states': states, 'predictions.others': others, 'predictions.next': next, 'predictions.rows': rows },
    {
      said: argMax(here),
      otherSaid: argMax(there),
      loss: tokenLogps(params, reshape(states, [1, rowsAtOnce, d]), rows, next, head.config).neg(),
      kl: kl(there, here),
    },
  )
}
const eachRow = tensor(
  Int32Array.from({ length: rowsAtOnce }, (_, i) => i),
  [rowsAtOnce],
)
