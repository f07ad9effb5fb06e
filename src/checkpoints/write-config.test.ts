import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeConfigFile } from './write-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-write-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('writeConfigFile', () => {
  it('keeps a float a float, and a whole number whole', async () => {
    const before =
      '{"temperature": 2.0, "own": 3.0, "list": [1.0, 2.5], "query_pre_attn_scalar": 256, "n": 4, "tiny": 1e-05, "nested": {"deep": 8.0}}'
    const file = join(folder, 'c.json')
    await writeConfigFile(file, { ...JSON.parse(before), rope_theta: 10_000, top_p: 1, said: '\u0001 2.0' }, before)
    const text = readFileSync(file, 'utf8')
    expect(JSON.parse(text)).toEqual({ ...JSON.parse(before), rope_theta: 10_000, top_p: 1, said: '\u0001 2.0' })
    const numbers = [...text.matchAll(/"(\w+)": (-?[\d.e-]+)/g)].map(([, name, number]) => `${name} ${number}`)
    expect(numbers).toEqual(['temperature 2.0', 'own 3.0', 'query_pre_attn_scalar 256', 'n 4', 'tiny 0.00001', 'deep 8.0', 'rope_theta 10000.0', 'top_p 1.0']) // biome-ignore format: one line
    expect(text).toMatch(/\[\s*1\.0,\s*2\.5\s*\]/)
  })
})
