import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, posix, sep } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { importsOf, packageOf } from './imports-of.ts'

const home = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(home, path), 'utf8')
const under = (folder: string) =>
  readdirSync(join(home, folder), { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'))

const sources = under('src').filter((file) => file.endsWith('.ts'))
const worlds = under('examples/shutdown').filter((file) => file.endsWith('.json'))
const newest = Math.max(...sources.map((file) => statSync(join(home, 'src', file)).mtimeMs))
const built = existsSync(join(home, 'dist/built')) && statSync(join(home, 'dist/built')).mtimeMs > newest

interface Packed {
  readonly files: readonly { readonly path: string }[]
  readonly size: number
}

describe.skipIf(!built)(`the package${built ? '' : ' (not run here: dist is older than src; npm run build)'}`, () => {
  let packed: Packed
  let paths: string[] = []
  beforeAll(() => {
    const npm = spawnSync('npm', ['pack', '--dry-run', '--json', '--offline'], {
      cwd: home,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    })
    packed = (JSON.parse(npm.stdout) as [Packed])[0]
    paths = packed.files.map(({ path }) => path).toSorted()
  })

  it('holds what users need and nothing else: no tests, no maps, nothing of sources that are gone', () => {
    const modules = sources.filter((file) => !/\.test\.ts$|\.d\.ts$|(^|\/)fake-/.test(file)).map((file) => file.slice(0, -3))
    const wanted = [
      ...[
        'LICENSE',
        'README.md',
        'package.json',
        'examples/my.ts',
        'dist/cli/abouts.json',
        'docs/audits.md',
        'docs/curvature.md',
        'docs/curvature-density.svg',
        'docs/pairs-check-memory.svg',
        'docs/evidence.md',
        'docs/examples.md',
        'docs/acceptance.md',
        'docs/data-errors.md',
        'docs/data.md',
        'docs/label.md',
        'docs/prior.md',
        'docs/merge.md',
        'docs/memory.md',
        'docs/objectives.md',
        'docs/performance.md',
        'docs/recipe.md',
        'docs/risk.md',
        'docs/rlhf.md',
        'docs/shutdown.md',
        'docs/sources.md',
        'docs/taps.md',
        'docs/whitebox.md',
        'docs/report.png',
      ],
      ...['evidence', 'objectives'].flatMap((folder) => readdirSync(join(home, 'docs', folder)).map((name) => `docs/${folder}/${name}`)),
      ...['gold.ts', 'grpo.ts', 'prompts.jsonl', 'recipe.ts', 'voter.ts'].map((name) => `examples/stories/${name}`),
      ...worlds.map((name) => `examples/shutdown/${name}`),
      ...['config', 'generation_config', 'measured', 'tokenizer', 'tokenizer_config'].map((name) => `box/stories5m/${name}.json`),
      ...['README.md', 'model.safetensors', 'texts.jsonl'].map((name) => `box/stories5m/${name}`),
      ...modules.flatMap((module) => [`dist/${module}.js`, `dist/${module}.d.ts`]),
    ]
    expect(paths).toEqual(wanted.toSorted())
    expect(packed.size).toBeLessThan(11_500_000)
  })

  it('names no place of the machine it was made on', () => {
    const places = [home, homedir()].map((place) => join(place, sep))
    expect(paths.filter((path) => places.some((place) => read(path).includes(place)))).toEqual([])
  })

  it('refers in its documents to nothing that is not packed', () => {
    const documents = paths.filter((path) => path.endsWith('.md'))
    const links = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
        .filter(([, to]) => !/^https?:/.test(to!))
        .map(([, to]) => ({ path, to: posix.join(posix.dirname(path), to!) })),
    )
    expect(links.length).toBeGreaterThan(3)
    expect(links.filter(({ to }) => !paths.includes(to))).toEqual([])
  })

  it('imports only what is installed with it', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    const named = paths.filter((path) => /^dist\/.*\.(js|d\.ts)$/.test(path)).flatMap((path) => importsOf(read(path)))
    const packages = new Set(named.filter((path) => !path.startsWith('.') && !path.startsWith('node:')).map(packageOf))
    expect([...packages].filter((name) => !(name in dependencies))).toEqual([])
  })

  it('has its program and its doors where package.json says', () => {
    const { bin, exports } = JSON.parse(read('package.json')) as {
      bin: { innate: string }
      exports: Record<string, string | { types: string; default: string }>
    }
    expect(read(bin.innate)).toMatch(/^#!\/usr\/bin\/env node\n/)
    const folders = readdirSync(join(home, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== 'cli')
    const doors = Object.values(exports).flatMap((door) => (typeof door === 'string' ? [door] : [door.types, door.default]))
    const files = doors.flatMap((door) => (door.includes('*') ? folders.map(({ name }) => door.replace('*', name)) : [door]))
    expect(files.map((file) => file.slice(2)).filter((file) => !paths.includes(file))).toEqual([])
  })
})
