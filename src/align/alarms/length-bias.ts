import { ratioOf } from '../../accept/index.ts'
import { type AlarmRule, fewestSteps, interval } from './alarm.ts'

/**
 * The chosen sides are of another length than the rejected ones, so that length alone wins.
 *
 * source  Singhal et al. 2023, arXiv:2310.03716
 */
export const lengthBias: AlarmRule = {
  name: 'length.bias',
  about: 'tokens of the chosen sides over those of the rejected ones, a fifth more or less',
  bound: 1.2,
  remedy: 'let length win nothing: objective sigmoidNorm or simpo, or ldAlpha of dpo; and bound lengthRatio',
  raise({ metrics = [] }) {
    const steps = metrics.flatMap(({ chosenTokens: x, rejectedTokens: y }) => (x !== undefined && y !== undefined ? [[x, y] as const] : []))
    if (steps.length < fewestSteps || steps.every(([, y]) => y === 0)) return []
    const ratio = ratioOf('length.bias', steps.map(([x]) => x), steps.map(([, y]) => y), 'ratio') // biome-ignore format: one line
    const { estimate, low, high } = ratio
    if (low <= lengthBias.bound && high >= 1 / lengthBias.bound) return []
    const longer = estimate > 1
    const why = `chosen sides have ${interval(ratio)} times the tokens of rejected ones, so ${longer ? 'longer' : 'shorter'} completions win whatever they say`
    return [{ value: estimate, low, high, bound: longer ? lengthBias.bound : 1 / lengthBias.bound, why }]
  },
}
