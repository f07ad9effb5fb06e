/** Where the inputs lie, seen from the folder that commands run in. */
export const data = '../shared/cases/data'
export const model = (name) => `../shared/cases/models/${name}`

/** Words that check a file of preferences. */
export const check = (folder, file, name = 'stories260K') => [
  'pairs',
  'check',
  `${data}/${folder}/${file}`,
  '--model',
  model(name),
  '--quarantine',
  'aside.jsonl',
]
/** Words that train by a recipe of the cases. */
export const train = (folder, recipe) => ['train', `${data}/${folder}/${recipe}.json`]

/** Shown of an outcome: the error, else what the function says. */
export const or = (outcome, gives) => (outcome.code === 0 ? gives : `exit ${outcome.code}: ${outcome.error}`)
/** Four digits. */
export const short = (number) => (number === undefined ? 'none' : Number(number.toPrecision(4)))
/** Right when it is refused in these words. */
export const refusal = (pattern) => (outcome) => ({ gives: or(outcome, 'accepted'), ok: outcome.code === 2 && pattern.test(outcome.error) })
/** Right when steps are taken. */
export const trains = (outcome) => ({
  gives: or(outcome, `trains, ${outcome.last.steps} steps`),
  ok: outcome.code === 0 && outcome.last.steps > 0,
})
