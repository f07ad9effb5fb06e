import {
  input,
  jacobianVectorProduct,
  logSumExp,
  reshape,
  softmax,
  sum,
  type Tensor,
  tensor,
  vectorJacobianProduct,
} from '../graph/index.ts'
import type { Batch } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Operator } from './operator.ts'
import { type Risk, treesOf } from './risk.ts'
import { riskOperator } from './risk-operator.ts'
import { runBatch } from './run-batch.ts'

/** How the expectation over the model's own next tokens is taken: exactly, or by one token drawn at each position. */
export type FisherOptions = { readonly labels?: 'exact' } | { readonly labels: 'sampled'; readonly seed: number }

/**
 * The Fisher information of the model's next tokens at the scored positions of a risk's trees: Σ over positions of the covariance of ∇log p
 * under the model itself, over trees as the risk is reduced. `exact` takes the expectation over the whole vocabulary; `sampled` draws one token
 * a position, the same for every product, and is unbiased. The loss of the risk takes no part.
 *
 * units   nats, per unit of the parameters squared
 * source  Amari 1998, Neural Computation 10:251; Kunstner et al. 2019, arXiv:1905.12558
 */
export function fisher(risk: Risk, options: FisherOptions = {}): Operator {
  return options.labels === 'sampled' ? sampledFisher(risk, options.seed) : exactFisher(risk)
}

function exactFisher(risk: Risk): Operator {
  return riskOperator(risk, {
    name: 'fisher',
    of({ wrt, scores: { all }, weights }, v) {
      const [moved] = jacobianVectorProduct([all], wrt, v)
      const p = softmax(all)
      // The covariance of a one-hot draw from p is diag(p) − p·pᵀ.
      const bent = p.mul(moved!.sub(sum(p.mul(moved!), [-1])))
      return { outputs: vectorJacobianProduct([all], wrt, [bent.mul(reshape(weights, [all.shape[0]!, 1]))]) }
    },
  })
}

function sampledFisher(risk: Risk, seed: number): Operator {
  return riskOperator(risk, {
    name: 'fisher.sampled',
    of({ wrt, weights, scoresOf }, v) {
      const drawn = input('drawn', weights.shape, 'i32')
      const { said, all } = scoresOf(drawn)
      const logps = reshape(said.sub(logSumExp(all)), weights.shape)
      const [moved] = jacobianVectorProduct([logps], wrt, v)
      return { outputs: vectorJacobianProduct([logps], wrt, [moved!.mul(weights)]), inputs: { drawn } }
    },
    feeds(steady) {
      const drawn = new Map<string, Promise<Tensor>>()
      return async (batch) => {
        const key = batch.trees.join()
        const known = drawn.get(key) ?? draw(steady, batch, seed)
        drawn.set(key, known)
        return { drawn: await known }
      }
    },
  })
}

/** One token for each scored position of a batch, from the model's own distribution there. */
async function draw(risk: Risk, batch: Batch, seed: number): Promise<Tensor> {
  const { outputs } = await runBatch(risk, batch, treesOf(risk), {
    name: 'distributions',
    make: ({ scores: { all } }) => ({ outputs: { p: softmax(all) } }),
  })
  const { shape, data } = outputs.p!
  const [positions, vocabulary] = shape as [number, number]
  const dice = random(seed, `labels ${batch.trees.join()}`)
  const drawn = Int32Array.from({ length: positions }, (_, n) => {
    let left = dice.uniform(n)
    for (let token = 0; token < vocabulary; token++) if ((left -= data[n * vocabulary + token]!) < 0) return token
    return vocabulary - 1
  })
  return tensor(drawn, [positions])
}

/**
 * The empirical Fisher matrix: Σ over trees of g·gᵀ for the gradient g of each tree's own loss, over trees as the risk is reduced. It takes the
 * texts for draws of the model, and so is no estimate of the Fisher information.
 *
 * units   of the loss squared, per unit of the parameters squared
 * source  Kunstner et al. 2019, arXiv:1905.12558
 */
export function empiricalFisher(risk: Risk): Operator {
  return riskOperator(risk, {
    name: 'empiricalFisher',
    of({ losses, wrt }, v) {
      return { outputs: vectorJacobianProduct([losses], wrt, jacobianVectorProduct([losses], wrt, v)) }
    },
  })
}
