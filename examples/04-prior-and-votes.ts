import { contribution, features, goal, goalPrior, goalScale, goals, type Sample } from 'innate'

// Two goals, stated: be brief, and take up the prompt. The prior is worth twenty votes in all.
const brief = goal('brief', ({ tokens }) => tokens, { about: 'tokens, less is better', direction: -1 })
const prior = goalPrior({ goals: [brief, goals.onPrompt], strength: 20 })

// Goals are weighed in standard deviations of the model's own samples.
const said = (text: string): Sample => ({ prompt: 'The fox met a bear.', text, tokens: text.split(' ').length, ended: true })
const samples = [
  'The fox ran.',
  'Then it was night.',
  'The bear and the fox sat down.',
  'A cold wind came over the hill and stayed.',
  'It rained for many days and all the leaves fell.',
  'The fox said that the bear could have the other half of the cake.',
].map(said)
const scale = goalScale(prior.goals, samples)

// Eight voters compare each with each shorter one; six or seven of them like the longer one, whatever the prior says.
const pairs = samples.flatMap((longer, a) =>
  samples.slice(0, a).map((shorter, b) => ({
    x: features(scale, longer, shorter),
    votes: (a + b) % 2 === 0 ? ([7, 1] as const) : ([6, 2] as const),
    cluster: `${a} ${b}`,
  })),
)
const found = contribution(prior, pairs).contribution

export const result = { priorBits: found.bits.prior, dataBits: found.bits.data, fighting: found.fighting }
for (const { goal: name, prior: before, posterior } of found.weights)
  console.log(
    `${name.padEnd(9)} ${before.mean.toFixed(2)} → ${posterior.mean.toFixed(2)} [${posterior.low.toFixed(2)}, ${posterior.high.toFixed(2)}]`,
  )
console.log(`the prior put in ${result.priorBits.toFixed(2)} bits, the votes ${result.dataBits.toFixed(2)}`)
console.log(found.fighting.length > 0 ? `fighting the data: ${found.fighting.join(', ')}` : 'nothing fights the data')
