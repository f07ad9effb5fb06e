import { judgeFacts } from '../collect/judge-facts.ts'
import { goalScale, goalsJudge, type Judge, type JudgedPair, type Sample, type Spoken, spokenIn } from '../goals/index.ts'
import { UserError } from '../graph/errors.ts'
import { openStore, readPairFile, type Said } from '../labels/index.ts'
import { loadRecipe } from '../load-recipe.ts'
import { command, required, text } from './command.ts'
import { factLines } from './fact-lines.ts'
import type { Screen } from './screen.ts'

/** How a judge does on pairs whose better side is known: agreement, and its liking for a place and for length. */
export const judgeCheck = command({
  name: 'judge check',
  about: 'Ask a recipe’s judge about pairs in both orders: who agrees with whom, and whether it likes a place or length.',
  args: { recipe: text('recipe, .ts or .json, whose judge is asked') },
  flags: {
    pairs: required(text('pairs to ask about, .jsonl; where they say what was chosen, agreement with that is measured', { shown: 'FILE' })),
    labels: text('a store of people’s labels to compare with', { shown: 'STORE' }),
  },
  examples: ['judge check my.ts --pairs pairs.jsonl'],

  async action({ recipe, pairs: file, labels }, screen, signal) {
    const { pairs, aside } = await readPairFile(file)
    if (aside.length > 0) screen.warn(`${aside.length} row${aside.length === 1 ? '' : 's'} cannot be used, the first: ${aside[0]}`)
    const asked = pairs.map(({ prompt, a, b }): JudgedPair => ({ a: sampleOf(prompt, a), b: sampleOf(prompt, b) }))
    const judge = await judgeOf(recipe, asked)
    try {
      const said = await saidInBothOrders(judge, asked.filter(({ a, b }) => a.text !== b.text), screen, signal) // biome-ignore format: one line
      const known = pairs.flatMap(({ votes }, i): Spoken[] => (votes ? [spokenOf(file, asked[i]!, votes)] : []))
      const facts = judgeFacts([...said, ...known, ...(labels === undefined ? [] : await labelsIn(labels))], await judge.spent?.())
      screen.emit({ judge: { name: judge.name, kind: judge.kind }, pairs: pairs.length, ...facts })
      screen.line(`${judge.name} (${judge.kind}) on ${pairs.length} pairs of ${file}:`)
      for (const line of factLines(facts, screen)) screen.line(line)
    } finally {
      await judge.close?.()
    }
  },
})

async function judgeOf(recipe: string, pairs: readonly JudgedPair[]): Promise<Judge> {
  const { preferences, prior } = await loadRecipe(recipe)
  const judge = preferences.kind === 'onPolicy' ? preferences.judge : undefined
  if (judge === undefined || judge.kind === 'people' || judge.kind === 'votes')
    throw new UserError(
      `${recipe}: preferences.judge must be one that can be asked (a command, a model, an endpoint), got ${judge?.kind ?? 'none'}; give another recipe, or compare labels with: innate label STORE --json`,
    )
  if (judge.kind === 'byGoals') {
    const goals = (prior?.goals ?? []).filter(({ name }) => Object.hasOwn(judge.weights, name))
    const scale = goalScale(goals, pairs.flatMap(({ a, b }) => [a, b])) // biome-ignore format: one line
    return goalsJudge(scale, goals.map(({ name }) => judge.weights[name]!)) // biome-ignore format: one line
  }
  await judge.prepare?.()
  return judge
}

async function saidInBothOrders(judge: Judge, pairs: readonly JudgedPair[], screen: Screen, signal: AbortSignal): Promise<Spoken[]> {
  const turned = pairs.map(({ a, b }): JudgedPair => ({ a: b, b: a }))
  const all = [...pairs, ...turned]
  const bar = screen.progress('judging', all.length)
  const votes = await judge.votes(all, 0, { signal, onVotes: (count) => bar.advance(count) })
  bar.done()
  const kept = judge.spoken && new Map((await judge.spoken()).map((one) => [keyOf(one), one]))
  return all.map((pair, i) => {
    const spoken = { ...spokenOf(judge.name, pair, votes[i]!), first: 'a' as const }
    return { ...spoken, choice: kept?.get(keyOf(spoken))?.choice ?? spoken.choice }
  })
}

function keyOf({ prompt, a, b }: Spoken): string {
  return JSON.stringify([prompt, a, b])
}

function spokenOf(who: string, { a, b }: JudgedPair, [forA, forB]: readonly [number, number]): Spoken {
  return { who, prompt: a.prompt, a: a.text, b: b.text, choice: forA > forB ? 'a' : forA < forB ? 'b' : 'tie' }
}

function sampleOf(prompt: Said, said: Said): Sample {
  const text = plain(said)
  return { prompt: plain(prompt), text, tokens: text.split(/\s+/).length, ended: true }
}

function plain(said: Said): string {
  return typeof said === 'string' ? said : said.map(({ content }) => content).join('\n')
}

async function labelsIn(file: string): Promise<Spoken[]> {
  const store = openStore(file)
  try {
    return await spokenIn(store)
  } finally {
    await store.close()
  }
}
