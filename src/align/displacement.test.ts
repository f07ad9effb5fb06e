import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RecipeInput, recipe } from '../recipe/recipe.ts'
import { trainRun } from './train-run.ts'

let folder = ''
const at = (name: string) => join(folder, name)
const jsonl = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join('\n')
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-displacement-'))
  // Both sides say nearly the same, so that what is learned against the one is learned against the other.
  const names = ['Tom', 'Lily', 'Ben', 'Sue', 'Max', 'Mia', 'Tim', 'Amy']
  const rows = Array.from({ length: 64 }, (_, i) => {
    const said = ` ${names[(i * 3) % 8]} saw a red ball and`
    return { prompt: `The fox ${i} ${names[i % 8]}`, chosen: `${said} ran home.`, rejected: `${said} sat home.` }
  })
  await writeFile(at('pairs.jsonl'), jsonl(rows))
  await writeFile(
    at('texts.jsonl'),
    jsonl(rows.flatMap(({ prompt, chosen, rejected }) => [chosen, rejected].map((completion) => ({ prompt, completion })))),
  )
  // A model that says both sides already: the chosen one can hardly rise.
  await trainRun(
    recipe({
      model: 'fixtures/llama-tiny',
      texts: { file: at('texts.jsonl') },
      train: { optimizer: { name: 'adamw', lr: 1e-2 }, batch: 16, epochs: 6 },
      inside: false,
      run: at('taught'),
    }),
  )
}, 60_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

async function trained(name: string, objective: RecipeInput['objective']) {
  const { heldOut, alarms = [] } = await trainRun(
    recipe({
      model: at('taught/model'),
      preferences: { pairs: at('pairs.jsonl'), heldOut: 0.35 },
      objective,
      train: { optimizer: { name: 'adamw', lr: 3e-3 }, batch: 8, epochs: 3 },
      inside: false,
      run: at(name),
    }),
  )
  const { accuracy, chosenLogRatio } = heldOut as { accuracy: { estimate: number }; chosenLogRatio: { estimate: number } }
  return { accuracy: accuracy.estimate, chosen: chosenLogRatio.estimate, alarms: alarms.map(({ alarm }) => alarm) }
}

describe('displacement', () => {
  it('DPO wins held-out pairs while their chosen side falls, and the alarm says so; dpop, apoZero and an sft term hold that side up', async () => {
    const dpo = await trained('dpo', { name: 'dpo' })
    expect(dpo).toMatchObject({ accuracy: 1, alarms: ['chosen.falling'] })
    expect(dpo.chosen).toBeLessThan(-10)
    const half = (objective: { name: 'dpo' | 'sft' }) => ({ objective, weight: 1 })
    const remedies: Record<string, RecipeInput['objective']> = {
      dpop: { name: 'dpop' },
      apoZero: { name: 'apoZero' },
      mixture: { name: 'mixture', of: [half({ name: 'dpo' }), half({ name: 'sft' })] } as RecipeInput['objective'] & object,
    }
    for (const [name, objective] of Object.entries(remedies)) {
      const { chosen, accuracy, alarms } = await trained(name, objective)
      expect([name, alarms]).toEqual([name, []])
      expect(chosen).toBeGreaterThan(-1)
      expect(accuracy).toBeGreaterThan(0.9)
    }
    // Both sides are as long as each other, so there is no length to take out.
    expect((await trained('sigmoidNorm', { name: 'sigmoidNorm' })).alarms).toEqual(['chosen.falling'])
  }, 200_000)
})
