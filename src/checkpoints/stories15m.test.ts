import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makerModules } from './stories15m.ts'

it.each(['stories15m.ts', 'llama2c.ts'])('box/%s is given everything that it imports', async (file) => {
  const modules = await makerModules()
  const text = readFileSync(join(import.meta.dirname, '../../box', file), 'utf8')
  const imports = [...text.matchAll(/^import (?:type )?\{([^}]*)\} from '(innate\/[^']*)'/gm)]
  const names = imports.flatMap(([whole, names, from]) =>
    whole.startsWith('import type')
      ? []
      : names!.split(',').flatMap((name) => (/^\s*type /.test(name) ? [] : [[from!, name.trim()] as const])),
  )
  expect(names.length).toBeGreaterThan(0)
  for (const [from, name] of names)
    expect([from, name, typeof (modules[from] as Record<string, unknown> | undefined)?.[name]]).toEqual([from, name, 'function'])
})
