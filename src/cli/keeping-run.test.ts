import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/index.ts'
import { keepingRun } from './keeping-run.ts'
import type { Screen } from './screen.ts'

const stoppedBy = (error: Error) =>
  keepingRun('align', 'r.json', { screen: {} as Screen, watch: {}, signal: new AbortController().signal }, async ({ run }) => {
    run!('/runs/x')
    throw error
  })

describe('a run that a mistake stopped', () => {
  it('can go on where the mistake is beside the recipe', async () => {
    await expect(stoppedBy(new UserError('judge: broke'))).rejects.toThrow(
      /^judge: broke\nWhat was done is kept\..* go on with:\n.* --resume$/,
    )
  })

  it('is kept but not offered to go on where the same recipe meets it again', async () => {
    await expect(stoppedBy(new UserError('goal g: NaN', { inRecipe: true }))).rejects.toThrow(
      /^goal g: NaN\nWhat was done is kept in \/runs\/x\. A changed recipe needs a new run$/,
    )
  })
})
