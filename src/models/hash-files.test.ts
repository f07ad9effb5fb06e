import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { hashFiles } from './hash-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-hash-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, bytes: Uint8Array) => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

it('hashes files one after another, here and in a thread of its own', async () => {
  // 20 MB each: one is hashed here, two in a thread; neither length is a whole number of pieces.
  const [a, b] = [20_000_003, 20_000_001].map((n, k) => Uint8Array.from({ length: n }, (_, i) => (i * 31 + k) >> 3)) as [
    Uint8Array,
    Uint8Array,
  ]
  const files = [file('a', a), file('b', b)]
  expect(await hashFiles(files.slice(0, 1))).toBe(createHash('sha256').update(a).digest('hex'))
  expect(await hashFiles(files)).toBe(createHash('sha256').update(a).update(b).digest('hex'))
  expect(await hashFiles([file('empty', new Uint8Array())])).toBe(createHash('sha256').digest('hex'))
})

it('says which file is not there', async () => {
  await expect(hashFiles([join(folder, 'none')])).rejects.toThrow(/ENOENT.*none/)
})
