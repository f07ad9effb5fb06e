import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate, innateJson, trainJson } from '../../test/fake-folder.ts'
import { openModels } from '../align/open-models.ts'
import { editTarget, loadCheckpoint, makeEdit, type NewEdit, writeEdit } from '../checkpoints/index.ts'
import { tensor } from '../graph/index.ts'
import { openPolicy, type Policy, scoreTrees } from '../policy/index.ts'
import { recipe } from '../recipe/index.ts'

let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
  await write('push.safetensors', [{ kind: 'add', at: ['blocks.0.out'], direction: 'v', strength: 3 }])
  await write('norm.safetensors', [{ kind: 'delta', weights: { norm: 'v' } }])
})
afterAll(() => close())

async function write(file: string, acts: NewEdit['acts'], size = 0.3) {
  const { config, hash } = await loadCheckpoint('models/tiny')
  const v = tensor(Float32Array.from({ length: config.hiddenSize }, (_, i) => size * Math.sin(i)), [config.hiddenSize]) // biome-ignore format: one line
  await writeEdit(file, makeEdit({ name: file.split('.')[0]!, for: editTarget(config, hash), acts, tensors: { v } }))
}

describe('--edit', () => {
  it('holds for sample, logp and complete alike, and several are one after the other', async () => {
    const logps = async (flags: string) => (await innateJson<{ chosen: number }>(`logp --model models/tiny --pairs forty.jsonl ${flags}`)).rows.map(({ chosen }) => chosen) // biome-ignore format: one line
    const [plain, pushed, both] = [await logps(''), await logps('--edit push.safetensors'), await logps('--edit push.safetensors --edit norm.safetensors')] // biome-ignore format: one line
    expect(pushed).not.toEqual(plain)
    expect(both).not.toEqual(pushed)
    for (const line of ['sample --model models/tiny --max-tokens 4', 'complete models/tiny Once --max-tokens 4']) {
      const said = async (flags: string) => (await innateJson<{ logps: number[] }>(`${line} ${flags}`)).rows[0]!.logps
      expect(await said('--edit push.safetensors')).not.toEqual(await said(''))
    }
    // A folder that is written under it is under it.
    expect((await innate('convert models/tiny pushed --edit push.safetensors --edit norm.safetensors')).code).toBe(0)
    expect((await innateJson<{ chosen: number }>('logp --model pushed --pairs forty.jsonl')).rows.map(({ chosen }) => chosen)).toEqual(both)
    expect(await innate('convert models/tiny pushed.gguf --edit push.safetensors')).toMatchObject({ code: 2, err: expect.stringContaining('a GGUF file holds weights alone, got push') }) // biome-ignore format: one line
    expect((await innate('convert models/tiny normed.gguf --edit norm.safetensors')).err).not.toContain('GGUF file holds weights alone')
  })

  it('is refused where it is no edit, or for another model', async () => {
    expect(await innate('complete models/tiny Once --edit nowhere.safetensors')).toMatchObject({ code: 2, err: expect.stringContaining('nowhere.safetensors: must be a readable safetensors file') }) // biome-ignore format: one line
    expect(await innate('complete stories5m Once --edit push.safetensors')).toMatchObject({ code: 2, err: expect.stringContaining('push: an edit must be for the architecture of stories5m') }) // biome-ignore format: one line
  })
})

describe('a recipe under edit files', () => {
  const trees = [{ prompt: [1, 5, 9], completions: [[3, 7, 2], [8]] }]

  it.each([['push.safetensors'], ['norm.safetensors']])('%s holds for the policy and not for the reference', async (file) => {
    const models = await openModels(recipe({ model: 'models/tiny', preferences: { pairs: 'pairs.jsonl' }, edit: [file] }))
    try {
      const { engine, checkpoint, trainee, referencePolicy, lookPolicy } = models
      const scores = (policy: Policy) => scoreTrees(policy, trees)
      const plain = await scores(await openPolicy(engine, checkpoint))
      const edited = await scores(await openPolicy(engine, await loadCheckpoint('models/tiny', { edit: file })))
      expect(edited).not.toEqual(plain)
      expect([await scores(trainee.policy), await scores(lookPolicy), await scores(referencePolicy)]).toEqual([edited, edited, plain])
      expect(models.startsAsReference).toBe(false)
    } finally {
      await models.engine.close()
    }
    const apart = recipe({ model: 'models/tiny', preferences: { pairs: 'pairs.jsonl' }, edit: { files: file, looks: false } })
    if (file.startsWith('norm')) await expect(openModels(apart)).rejects.toThrow('edit.looks: must be as edit.policy where a file changes weights, got false and true') // biome-ignore format: one line
  })

  it('its manifest has their hashes, and a run goes on under the same ones only', async () => {
    await writeFile('edited.json', JSON.stringify({ ...trainJson, run: 'runs/edited', train: { ...trainJson.train, epochs: 1 }, edit: 'push.safetensors' })) // biome-ignore format: one line
    expect((await innate('train edited.json --quiet')).code).toBe(0)
    const { edits } = JSON.parse(await readFile('runs/edited/manifest.json', 'utf8'))
    expect(edits).toEqual([{ name: 'push', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }])
    expect((await innate('train edited.json --quiet --resume')).code).toBe(0)
    await write('push.safetensors', [{ kind: 'add', at: ['blocks.0.out'], direction: 'v', strength: 2 }])
    expect(await innate('train edited.json --quiet --resume')).toMatchObject({ code: 2, err: expect.stringContaining('must go on with what it began with, got another edits.0') }) // biome-ignore format: one line
  })
})
