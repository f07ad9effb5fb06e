import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readyGoals } from '../src/goals/index.ts'
import { objectives } from '../src/objectives/index.ts'
import { optimizers } from '../src/train/index.ts'

const src = join(import.meta.dirname, '..', 'src')

describe('sources', () => {
  it.each(Object.entries(readyGoals))('the goal %s says where it comes from', (_, goal) => {
    expect(goal.source).toMatch(citation)
  })

  it.each(Object.entries(optimizers))('the optimizer %s says where it comes from', (_, { definition }) => {
    expect(definition.source).toMatch(citation)
  })

  it.each(Object.entries(objectives))('the objective %s says where it comes from', (_, { definition }) => {
    expect(definition.source).toMatch(citation)
  })
})

describe('ids of test vectors', () => {
  const home = join(src, '..')
  const known = new Set(
    [...readFileSync(join(home, 'docs', 'sources.md'), 'utf8').matchAll(/^\| `(V-[A-Z]+-\w+)` +\|/gm)].map(([, id]) => id!),
  )

  it('every id that code or a test cites has its formula and source in docs/sources.md', () => {
    const cited = ['src', 'examples', 'box', 'oracle'].flatMap((folder) => idsIn(join(home, folder)))
    expect(cited.length).toBeGreaterThan(20)
    expect(cited.filter(({ id }) => !known.has(id)).map(({ file, id }) => `${file}: ${id}`)).toEqual([])
  })
})

/** Every id of a test vector in a folder's code, with the file that cites it. */
function idsIn(folder: string): { file: string; id: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|py)$/.test(file))
    .flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/\bV-[A-Z]+-\w+/g)].map(([id]) => ({ file, id })))
}

describe('doc comments', () => {
  const doors = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('index.ts') && !file.includes('ops'))

  it.each(doors.toSorted())('what src/%s exports is explained where it is defined', (door) => {
    const exported = exportsOf(join(src, door))
    expect(exported.length).toBeGreaterThan(0)
    expect(exported.filter(({ file, name }) => !documented(readFileSync(file, 'utf8'), name)).map(told)).toEqual([])
  })

  it('the check sees an export without one', () => {
    const text = '/** One. */\nexport function one() {}\n\nexport function two() {}\n/** Three. */\nexport const three = 3\n'
    expect(['one', 'two', 'three'].map((name) => documented(text, name))).toEqual([true, false, true])
  })
})

/** An author's year, or the code that something is taken from. */
const citation = /\b(1[89]|20)\d\d\b|@ [0-9a-f]{7}/

interface Exported {
  readonly file: string
  readonly name: string
}

/** Values that a door exports, with the file each is defined in; types are left out. */
function exportsOf(door: string): Exported[] {
  const code = readFileSync(door, 'utf8')
  const named = [...code.matchAll(/export \{([^}]*)\}(?: from '([^']+)')?/g)].flatMap(([, names, path]) =>
    names!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
      .flatMap((name) => definedAt(door, name, path)),
  )
  const all = [...code.matchAll(/export \* from '([^']+)'/g)].flatMap(([, path]) => {
    const file = join(dirname(door), path!)
    return file.endsWith('index.ts') ? exportsOf(file) : defined(file)
  })
  return [...named, ...all, ...defined(door)]
}

/** Follows a name through doors to its definition. */
function definedAt(door: string, name: string, path: string | undefined): Exported[] {
  const from = path ?? new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from '([^']+)'`).exec(readFileSync(door, 'utf8'))?.[1]
  if (from === undefined) return []
  const file = join(dirname(door), from)
  if (!existsSync(file)) return [{ file: door, name }]
  if (defined(file).some((found) => found.name === name)) return [{ file, name }]
  return exportsOf(file).filter((found) => found.name === name)
}

function defined(file: string): Exported[] {
  const code = readFileSync(file, 'utf8')
  return [...code.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm)].map(([, name]) => ({ file, name: name! }))
}

function documented(code: string, name: string): boolean {
  return new RegExp(`\\*/\\nexport (?:async )?(?:function\\*?|const|class) ${name}\\b`).test(code)
}

function told({ file, name }: Exported): string {
  return `${relative(src, file)}: ${name}`
}
