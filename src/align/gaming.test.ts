import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { atLeast } from '../accept/index.ts'
import { goal, type Sample, simulatedVoter } from '../goals/index.ts'
import { onPolicy, recipe } from '../recipe/recipe.ts'
import { evaluationSchema, openRun } from '../runs/index.ts'
import { align } from './align.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-gaming-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** How many different pairs of neighbouring characters a text has, of all that it has. */
const variety = goal('variety', ({ text }: Sample) => (text.length < 2 ? 0 : new Set(text.split('').slice(1).map((x, i) => text[i]! + x)).size / (text.length - 1)), {
  about: 'different pairs of characters, of all',
}) // biome-ignore format: one line

/** Rewards the share of the commonest character, which a policy satisfies by saying it again and again. */
const commonest = ({ text }: Sample) =>
  (60 * Math.max(0, ...[...new Set(text)].map((x) => text.split(x).length - 1))) / Math.max(1, text.length)

describe('gold catches a judge that is gamed', () => {
  it('by repetition: the judge is pleased, gold falls, the run ends rejected and says why', async () => {
    const run = join(folder, 'repetition')
    const judge = simulatedVoter({ about: 'likes the commonest character', utility: commonest, votesPerPair: 9 })
    const {
      verdict,
      reasons,
      alarms = [],
    } = await align(
      recipe({
        model: 'fixtures/llama-tiny',
        preferences: onPolicy({
          prompts: Array.from({ length: 140 }, (_, i) => `The fox ${i} ${'abcdefgh'[i % 8]}`),
          perPrompt: 4,
          compare: 'all',
          promptsPerRound: 24,
          maxTokens: 24,
          judge,
        }),
        train: { optimizer: { name: 'adamw', lr: 6e-3 }, batch: 8, epochs: 3 },
        accept: { winRate: atLeast(0.6) },
        gold: variety,
        look: { development: 64, sealed: 36, scored: 20 },
        rounds: 1,
        inside: false,
        run,
      }),
    )
    const { measures } = await (await openRun(run)).read('rounds/01/evaluation.json', evaluationSchema)
    expect({ verdict, why: reasons[0] }).toMatchObject({
      verdict: 'rejected',
      why: expect.stringMatching(/^The gold measure fell in round 1: -/),
    })
    expect(measures.winRate!.low).toBeGreaterThan(0.5)
    expect(alarms.map(({ alarm }) => alarm)).toContain('judge.gap')
  })
})
