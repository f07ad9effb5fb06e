import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, packageOf } from './imports-of.ts'

/**
 * The folders of src: each imports from itself and from those before it, types included. The door of the library and the loader of
 * recipes, which import every room, are files of src itself; the command line comes after them.
 */
const order = [
  'graph', 'random', 'files', 'engine', 'text', 'models', 'checkpoints', 'policy', 'preferences', 'labels', 'goals', 'rewards', 'objectives', 'runs', 'curvature', 'train', 'accept', 'audits', 'shutdown', 'recipe', 'collect', 'align', 'whitebox', 'evidence', 'serve', '', 'cli',
] // biome-ignore format: one line

/** Packages that one folder alone may know. */
const owners: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'engine',
  '@bufbuild/protobuf': 'engine',
  '@huggingface/tokenizers': 'text',
  '@huggingface/jinja': 'text',
  '@mlc-ai/web-xgrammar': 'text',
}

const src = join(import.meta.dirname, '..', 'src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file: file.split(sep).join('/'), imports: importsOf(readFileSync(join(src, file), 'utf8')) }))

describe('imports', () => {
  it('every folder of src has its place in the order', () => {
    const folders = new Set(files.map(({ file }) => folderOf(file)))
    expect([...folders].filter((folder) => !order.includes(folder))).toEqual([])
  })

  it('a file imports from its own folder and from folders before it', () => {
    const wrong = files.flatMap(({ file, imports }) =>
      imports.filter((path) => path.startsWith('.')).flatMap((path) => complaint(file, path) ?? []),
    )
    expect(wrong).toEqual([])
  })

  it('relative imports name a file that is there, with its .ts', () => {
    const names = new Set(files.map(({ file }) => file))
    // A test may hold the text of a module; its own imports are the type check's.
    const wrong = files
      .filter(({ file }) => !file.endsWith('.test.ts'))
      .flatMap(({ file, imports }) =>
        imports
          .filter((path) => path.startsWith('.') && !path.includes('/test/'))
          .filter((path) => !names.has(target(file, path)))
          .map((path) => `${file} imports ${path}`),
      )
    expect(wrong).toEqual([])
  })

  it.each(Object.entries(owners))('%s is known to src/%s alone', (name, owner) => {
    const elsewhere = files.filter(({ file, imports }) => folderOf(file) !== owner && imports.some((path) => packageOf(path) === name))
    expect(elsewhere.map(({ file }) => file)).toEqual([])
  })

  it('the check sees what it must refuse', () => {
    const text = `import { a } from '../engine/index.ts'
import type { B } from '../cli/main.ts'
export { c } from './c.ts'
export * from '../runs/index.ts'
const d = await import('../align/align.ts')
import 'onnxruntime-node/x'
type E = import('../train/train.ts').E
// import { no } from '../no.ts'`
    expect(importsOf(text)).toEqual([
      '../engine/index.ts',
      '../cli/main.ts',
      './c.ts',
      '../runs/index.ts',
      '../align/align.ts',
      'onnxruntime-node/x',
      '../train/train.ts',
    ])
    expect(packageOf('onnxruntime-node/x')).toBe('onnxruntime-node')
    expect(packageOf('@a/b/c')).toBe('@a/b')
    expect(complaint('graph/x.ts', '../engine/index.ts')).toBe('graph/x.ts imports ../engine/index.ts, but graph stands before engine')
    expect(complaint('engine/x.ts', '../graph/index.ts')).toBeUndefined()
    expect(complaint('engine/x.test.ts', '../../test/close.ts')).toBeUndefined()
    expect(complaint('engine/x.ts', '../../test/close.ts')).toContain('outside of src')
    expect(complaint('index.ts', './align/align.ts')).toBeUndefined()
    expect(complaint('index.ts', './cli/main.ts')).toContain('src stands before cli')
  })
})

/** What is wrong with a relative import, if anything. */
function complaint(file: string, path: string): string | undefined {
  const [from, to] = [folderOf(file), target(file, path)]
  if (to.startsWith('../')) {
    // A test may use what tests share; whatever else it compares with belongs to its own folder or an earlier one.
    return file.endsWith('.test.ts') && to.startsWith('../test/') ? undefined : `${file} imports ${path}, which is outside of src`
  }
  if (from === folderOf(to)) return undefined
  const comesBefore = order.indexOf(folderOf(to)) < order.indexOf(from)
  return comesBefore ? undefined : `${file} imports ${path}, but ${from || 'src'} stands before ${folderOf(to) || 'src'}`
}

function target(file: string, path: string): string {
  return relative(src, join(src, dirname(file), path))
    .split(sep)
    .join('/')
}

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : ''
}
