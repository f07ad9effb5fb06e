import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { isTensor, leaves, tensor } from '../graph/index.ts'
import { decoderParams } from '../models/params.ts'
import { random } from '../random/index.ts'
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from './checkpoint.ts'
import { type EditFile, editTarget, makeEdit, writeEdit } from './edit-file.ts'
import { whileLocked } from './edit-log.ts'
import { residualStream } from './edit-weights.ts'
import { applyEdit, editLog, revertEdit } from './edited-folder.ts'
import { withEdits } from './with-edits.ts'

const main = resolve('dist/cli/main.js')
let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'innate-edited-folder-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const numbers = (seed: string, shape: readonly number[], size = 0.05) =>
  tensor(
    Float32Array.from(random(5, seed).normals(shape.reduce((a, b) => a * b, 1)), (x) => size * x),
    shape,
  )

/** Twelve edits of every kind, some of which change the same tensors. */
function twelve({ config, hash }: Checkpoint): EditFile[] {
  const shapes = new Map<string, readonly number[]>()
  decoderParams(config, (path, shape) => shapes.set(path, shape))
  const d = config.hiddenSize
  const target = editTarget(config, hash)
  const delta = (name: string, path: string) =>
    makeEdit({ name, for: target, acts: [{ kind: 'delta', weights: { [path]: 't' }, scale: 0.7 }], tensors: { t: numbers(name, shapes.get(path)!) } }) // biome-ignore format: one line
  const lowRank = (name: string, path: string) => {
    const [m, n] = shapes.get(path) as [number, number]
    return makeEdit({ name, for: target, acts: [{ kind: 'lowRank', weights: { [path]: { up: 'u', down: 'v' } } }], tensors: { u: numbers(`${name} u`, [m, 2]), v: numbers(`${name} v`, [2, n], 1) } }) // biome-ignore format: one line
  }
  const set = (name: string, path: string) =>
    makeEdit({ name, for: target, acts: [{ kind: 'set', weights: { [path]: 't' } }], tensors: { t: numbers(name, shapes.get(path)!) } })
  const ablate = (name: string) =>
    makeEdit({
      name,
      for: target,
      acts: [{ kind: 'ablate', at: residualStream(config), direction: 'r' }],
      tensors: { r: numbers(name, [d]) },
    })
  const add = makeEdit({ name: 'push', for: target, acts: [{ kind: 'add', at: ['blocks.*.out'], direction: 'v', strength: 2 }], tensors: { v: numbers('v', [d]) } }) // biome-ignore format: one line
  return [
    delta('a', 'blocks.0.attn.q'),
    delta('b', 'blocks.0.attn.q'),
    lowRank('c', 'blocks.1.mlp.down'),
    set('e', 'blocks.1.mlp.down'),
    delta('f', 'embed'),
    set('g', 'norm'),
    lowRank('h', 'blocks.0.attn.o'),
    ablate('i'),
    delta('j', 'blocks.1.mlp.up'),
    set('k', 'blocks.0.attn.v'),
    add,
    ablate('l'),
  ]
}

async function editFiles(folder: string, edits: readonly EditFile[]): Promise<string[]> {
  await mkdir(folder)
  for (const edit of edits) await writeEdit(join(folder, `${edit.name}.edit.safetensors`), edit)
  return edits.map(({ name }) => join(folder, `${name}.edit.safetensors`))
}

/** Everything but the log, by name: what transformers and loadCheckpoint read. */
async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name !== 'edits').sort()
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString('base64')])))
}

describe.each([
  ['llama-tiny', 'f32', undefined, 3],
  ['family-gpt2', 'f32', undefined, 1],
  ['family-phi3', 'bf16', undefined, 1],
  ['llama-tiny', 'f16', 40_000, 1],
] as const)('a folder of %s, %s, is a function of its base and the list of its edits', (fixture, dtype, maxShardBytes, numRuns) => {
  it('twelve edits, applied and reverted in any order', async () => {
    const place = join(root, `${fixture}-${dtype}-${maxShardBytes ?? 'whole'}`)
    const base = join(place, 'base')
    await saveCheckpoint(base, await loadCheckpoint(`fixtures/${fixture}`), undefined, {
      dtype,
      ...(maxShardBytes ? { maxShardBytes } : {}),
    })
    const checkpoint = await loadCheckpoint(base)
    const edits = twelve(checkpoint)
    const files = await editFiles(join(place, 'edits'), edits)
    const atBase = await filesOf(base)
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...files.keys()], { minLength: 12 }),
        fc.shuffledSubarray([...files.keys()], { minLength: 12 }),
        fc.nat(11),
        async (order, back, left) => {
          const [one, other] = [join(place, `one-${run}`), join(place, `other-${run++}`)]
          await cp(base, one, { recursive: true })
          await cp(base, other, { recursive: true })
          for (const i of order) await applyEdit(one, files[i]!)
          for (const i of back.slice(left)) await revertEdit(one, files[i]!)
          // The others alone, in their order, from the base on.
          const others = order.filter((i) => back.indexOf(i) < left)
          for (const i of others) await applyEdit(other, files[i]!)
          expect(await filesOf(one)).toEqual(await filesOf(other))
          expect((await editLog(one)).edits.map(({ name }) => name)).toEqual(others.map((i) => edits[i]!.name))
          // As in memory: the same numbers, rounded to what is stored.
          const loaded = await loadCheckpoint(one)
          const wanted = withEdits(checkpoint, others.map((i) => edits[i]!), { identities: true }) // biome-ignore format: one line
          expect(loaded.edits?.map(({ name }) => name)).toEqual(wanted.edits?.map(({ name }) => name))
          expect(loaded.config).toEqual(wanted.config)
          if (dtype === 'f32') expect(leaves(loaded.params, isTensor)).toEqual(leaves(wanted.params, isTensor))
          for (const i of back.slice(0, left)) await revertEdit(one, edits[i]!.name)
          expect(await filesOf(one)).toEqual(atBase)
          expect((await loadCheckpoint(one)).hash).toBe(checkpoint.hash)
          await rm(one, { recursive: true })
          await rm(other, { recursive: true })
        },
      ),
      { numRuns },
    )
  })
})

describe('a folder under edits', () => {
  const fresh = async (name: string) => {
    const folder = join(root, name)
    await cp('fixtures/llama-tiny', folder, { recursive: true })
    const checkpoint = await loadCheckpoint(folder)
    const edits = twelve(checkpoint)
    return { folder, checkpoint, edits, files: await editFiles(join(root, `${name}-edits`), edits) }
  }

  it('holds a directional ablation in its weights: a tied model gets a head of its own, and back', async () => {
    const { folder, checkpoint, files } = await fresh('ablated')
    const before = await filesOf(folder)
    await applyEdit(folder, files[7]!)
    const ablated = await loadCheckpoint(folder)
    expect([ablated.config.tied, ablated.edits, checkpoint.config.tied]).toEqual([false, undefined, true])
    expect(ablated.params.head).toEqual(checkpoint.params.embed)
    const r = numbers('i', [checkpoint.config.hiddenSize]).data
    const along = (row: ArrayLike<number>, at: number) => Array.from(r).reduce((sum, x, i) => sum + x * row[at + i]!, 0)
    for (let at = 0; at < ablated.params.embed.data.length; at += r.length)
      expect(Math.abs(along(ablated.params.embed.data, at))).toBeLessThan(1e-6)
    await revertEdit(folder, '1')
    expect(await filesOf(folder)).toEqual(before)
  })

  it('goes on where a process ended in the middle', async () => {
    const { folder, files } = await fresh('crashed')
    const before = await filesOf(folder)
    await applyEdit(folder, files[0]!)
    const after = await filesOf(folder)
    await revertEdit(folder, '1')
    expect(await filesOf(folder)).toEqual(before)
    // Ended before the changes were written down: they are as if never begun.
    await mkdir(join(folder, 'edits', 'next'), { recursive: true })
    await writeFile(join(folder, 'edits', 'next', 'model.safetensors'), 'half')
    expect((await editLog(folder)).edits).toEqual([])
    expect(await filesOf(folder)).toEqual(before)
    // Ended after that: whoever opens the folder does the rest.
    await applyEdit(folder, files[0]!)
    await mkdir(join(folder, 'edits', 'next'))
    await rename(join(folder, 'model.safetensors'), join(folder, 'edits', 'next', 'model.safetensors'))
    await writeFile(join(folder, 'edits', 'pending.json'), JSON.stringify({ move: [['edits/next/model.safetensors', 'model.safetensors'], ['edits/next/gone', 'gone']], remove: [] })) // biome-ignore format: one line
    await loadCheckpoint(folder)
    expect(await filesOf(folder)).toEqual(after)
  })

  it('is changed by one process at a time: others wait, or say who has it', async () => {
    const { folder, files } = await fresh('shared')
    const chosen = [files[0]!, files[2]!, files[4]!]
    const run = (file: string) => {
      const verb = spawn(process.execPath, [main, 'edit', 'apply', folder, file], { stdio: ['ignore', 'ignore', 'pipe'] })
      return new Promise<string>((resolve) => {
        let said = ''
        verb.stderr.on('data', (data) => (said += data))
        verb.once('exit', (code) => resolve(`${code} ${code === 0 ? '' : said}`))
      })
    }
    expect(await Promise.all(chosen.map(run))).toEqual(['0 ', '0 ', '0 '])
    const { edits } = await editLog(folder)
    expect(edits.map(({ number }) => number)).toEqual([1, 2, 3])
    const alone = join(root, 'alone')
    await cp('fixtures/llama-tiny', alone, { recursive: true })
    for (const { name } of edits) await applyEdit(alone, chosen.find((file) => file.includes(`/${name}.edit`))!)
    expect(await filesOf(folder)).toEqual(await filesOf(alone))

    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await writeFile(join(folder, 'edits.lock'), JSON.stringify({ pid: other.pid, host: hostname(), since: 'now' }))
    await expect(whileLocked(folder, async () => 'done', 100)).rejects.toThrow(`one process at a time may change the edits of a folder, got process ${other.pid}`) // biome-ignore format: one line
    const gone = new Promise((resolve) => other.once('exit', resolve))
    other.kill('SIGKILL')
    await gone
    expect((await revertEdit(folder, '1')).edits).toHaveLength(2)
    expect(await readdir(folder)).not.toContain('edits.lock')
  })

  it('refuses what cannot be', async () => {
    const { folder, checkpoint, edits, files } = await fresh('refusing')
    const other = async (change: Partial<EditFile>, name: string) => {
      const { sha256: _, ...edit } = edits[0]!
      const file = join(root, name)
      await writeEdit(file, makeEdit({ ...edit, ...change } as EditFile))
      return applyEdit(folder, file)
    }
    const target = edits[0]!.for
    await expect(other({ for: { ...target, hiddenSize: 99 } }, 'wide')).rejects.toThrow(
      /a: an edit must be for the architecture of .*refusing, hiddenSize 64, got one for hiddenSize 99; make it with this model/,
    )
    await expect(other({ for: { ...target, base: 'f'.repeat(64) } }, 'based')).rejects.toThrow(
      /a: an edit must be made for the weights of .*, got one for ffffffffffff…; make it/,
    )
    const wide = { acts: [{ kind: 'add', at: ['blocks.0.out'], direction: 't' }], tensors: { t: numbers('t', [63]) } } as never
    await expect(other(wide, 'narrow')).rejects.toThrow(
      'a: t must be f32[64], or f32[n, 64] at blocks.0.out, got f32[63]; make it with this model',
    )
    const scores = { acts: [{ kind: 'add', at: ['blocks.0.attn.scores'], direction: 't' }], tensors: { t: numbers('t', [64]) } } as never
    await expect(other(scores, 'scores')).rejects.toThrow(/a: an edit in a file must act on vectors of tokens.*got blocks\.0\.attn\.scores/)
    expect(await readdir(folder)).not.toContain('edits')
    await applyEdit(folder, files[0]!)
    await revertEdit(folder, files[0]!)
    await expect(revertEdit(folder, files[0]!)).rejects.toThrow(
      /only an edit that it is under can be reverted, got .*a\.edit\.safetensors, which was reverted on \d{4}-\d\d-\d\d; it is under none/,
    )
    await expect(revertEdit(folder, 'zebra')).rejects.toThrow(UserError)
    await applyEdit(folder, files[0]!)
    await applyEdit(folder, files[0]!)
    await expect(revertEdit(folder, 'a')).rejects.toThrow(/one edit must be named, got a, which is 2 and 3; give its number/)
    await saveCheckpoint(join(root, 'x'), checkpoint)
    await cp(join(root, 'x', 'model.safetensors'), join(folder, 'model.safetensors'))
    await expect(applyEdit(folder, files[1]!)).rejects.toThrow(/the weights must be those that its edits made/)
    await expect(applyEdit(folder, join(folder, 'model.safetensors'))).rejects.toThrow(UserError)
    await expect(applyEdit('stories5m', files[1]!)).rejects.toThrow(
      'stories5m: must be a model folder, got none; write one with innate convert MODEL FOLDER',
    )
  })
})
