import { type AlarmRule, interval } from './alarm.ts'

/**
 * What the sampler says of the tokens it drew, and what scoring says of them, differ: then the policy that is looked at is not the one that is
 * trained.
 *
 * source  Yao et al. 2025, Your efficient RL framework secretly brings you off-policy RL training
 */
export const samplerApart: AlarmRule = {
  name: 'sampler.apart',
  about: 'distance of the sampler’s log-probabilities from those of scoring, nats per token',
  bound: 0.01,
  remedy:
    'look whether an edit or an adapter holds for one of the two alone; else it is a fault of the engine, which its authors should hear of',
  raise({ apart }) {
    if (!apart || apart.low <= samplerApart.bound) return []
    const { estimate, low, high } = apart
    return [{ value: estimate, low, high, why: `sampler and trainer differ by ${interval(apart)} nats a token on the same completions` }]
  },
}
