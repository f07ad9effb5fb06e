import { contribution, features, goal, goalPrior, goalScale, goals, type Sample } from 'innate'

// Two goals, stated: be brief, and take up the prompt. The prior is worth twenty votes in all.
const brief = goal('brief', ({ tokens }) => tokens, { about: 'tokens, less is better', direction: -1 })
const prior = goalPrior({ goals: [brief, goals.onPrompt], strength: 20 })

// Goals are weighed in standard deviations of the model's own samples.
const said = (text: string): Sample => ({ prompt: 'The fox met a bear.', text, tokens: text.split(' ').length, ended: true })
const samples = [
  'The fox ran.',
  'The bear and the fox sat down.',
  'It rained for many days and all the leaves fell.',
  'Then it was night.',
].map(said)
const scale = goalScale(prior.goals, samples)

// Eight voters compare the second with the fourth; they like it long, whatever the prior says.
const votes = (a: number, b: number, forA: number, forB: number) => ({
  x: features(scale, samples[a]!, samples[b]!),
  votes: [forA, forB] as const,
  cluster: `${a} ${b}`,
})
const found = contribution(prior, [votes(1, 3, 7, 1), votes(2, 0, 6, 2), votes(2, 3, 7, 1), votes(1, 0, 6, 2)]).contribution

export const result = { priorBits: found.bits.prior, dataBits: found.bits.data, fighting: found.fighting }
for (const { goal: name, prior: before, posterior } of found.weights)
  console.log(
    `${name.padEnd(9)} ${before.mean.toFixed(2)} → ${posterior.mean.toFixed(2)} [${posterior.low.toFixed(2)}, ${posterior.high.toFixed(2)}]`,
  )
console.log(`the prior put in ${result.priorBits.toFixed(2)} bits, the votes ${result.dataBits.toFixed(2)}`)
console.log(found.fighting.length > 0 ? `fighting the data: ${found.fighting.join(', ')}` : 'nothing fights the data')
