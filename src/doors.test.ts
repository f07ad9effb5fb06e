import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { doors } from './doors.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-doors-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each<[string, Record<string, string>, string[] | 'all']>([
  ['nothing but the package', { 'a.ts': `import { dpo } from 'innate'` }, []],
  ['a part', { 'a.ts': `import { dpo } from "innate"\nexport { sum } from 'innate/graph'` }, ['graph']],
  ['what Node has', { 'a.ts': `import { join } from 'node:path'\nconst fs = require('node:fs')` }, []],
  [
    'a file beside it',
    { 'a.ts': `import './b'`, 'b.ts': `import type { X } from './a.ts'\nconst { sum } = await import('innate/graph')` },
    ['graph'],
  ],
  ['a package', { 'a.ts': `import x from 'yaml'` }, 'all'],
  ['a file that is not there', { 'a.ts': `import './c.ts'` }, 'all'],
  ['what is only known when it runs', { 'a.ts': `await import(name)` }, 'all'],
])('the parts are loaded that are needed by a file that imports %s', async (_, files, wanted) => {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const { innate, ...others } = await doors(join(folder, 'a.ts'))
  expect(innate).toHaveProperty('dpo')
  const names = Object.keys(others).map((name) => name.replace('innate/', ''))
  if (wanted === 'all') expect(names).toContain('whitebox')
  else expect(names).toEqual(wanted)
})
