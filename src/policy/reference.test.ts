import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { openPolicy, type Policy } from './policy.ts'
import { openReference } from './reference.ts'
import type { Tree } from './rows.ts'
import { scoreTrees } from './score.ts'

const engine = openEngine({ threads: 1 })
let policy: Policy
let folder = ''
beforeAll(async () => {
  policy = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-reference-'))
})
afterAll(() => engine.close())

const trees: Tree[] = [
  { prompt: [1, 70], completions: [[80, 81], [82]] },
  { prompt: [1, 70, 80], completions: [[81]] },
]
const open = (hash = 'a'.repeat(64)) => openReference(policy, hash, folder)
const file = async () => join(folder, (await readdir(folder))[0]!)

it('scores once, and a later process finds the same numbers by content', async () => {
  const scores = await (await open()).logps(trees)
  expect(scores).toEqual(await scoreTrees(policy, trees))
  const later = await open()
  let batches = 0
  // One completion under another prompt is another entry, the same one in another tree is not.
  const apart = trees.flatMap(({ prompt, completions }) => completions.map((completion) => ({ prompt, completions: [completion] })))
  expect(await later.logps(apart, () => void batches++)).toEqual(scores)
  expect(batches).toBe(0)
  expect((await readFile(await file(), 'utf8')).trim().split('\n')).toHaveLength(3)
  await later.logps([{ prompt: [1, 70], completions: [[81]] }], () => void batches++)
  expect(batches).toBe(1)
})

it('keeps models apart', async () => {
  await (await open()).logps(trees)
  await (await open('b'.repeat(64))).logps(trees)
  expect(await readdir(folder)).toHaveLength(2)
})

it('takes what the reference said of its own samples', async () => {
  await (await open()).remember(trees, [-1, -2, -3])
  expect(await (await open()).logps(trees)).toEqual([-1, -2, -3])
})

it('scores again what a torn file has lost', async () => {
  const scores = await (await open()).logps(trees)
  const lines = (await readFile(await file(), 'utf8')).trim().split('\n')
  await writeFile(await file(), `${lines[0]}\n${lines[1]!.slice(0, -4)}`)
  await appendFile(await file(), '["nonsense",1]\n')
  const again = await (await open()).logps(trees)
  again.forEach((score, i) => void expect(score).toBeCloseTo(scores[i]!, 4))
  expect(await (await open()).logps(trees)).toEqual(again)
})

it('needs no file that can be written', async () => {
  await rm(folder, { recursive: true })
  await writeFile(folder, 'a file where the folder should be')
  const scores = await (await open()).logps(trees)
  expect(await (await open()).logps(trees)).toEqual(scores)
})
