import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, resolve } from 'node:path'

/** What a recipe imports the package as. */
export const door = 'innate'

/**
 * The package and its parts as a recipe imports them: it must build its graph with this very copy, so they are answered from here. A part is loaded
 * only for a file that names it, or that imports what is not looked into.
 */
export async function doors(path: string): Promise<Record<string, unknown>> {
  const named = await namedParts(path)
  const wanted = Object.entries(parts).filter(([name]) => named === 'all' || named.has(name))
  const loaded = await Promise.all(wanted.map(async ([name, load]): Promise<[string, unknown]> => [`${door}/${name}`, await load()]))
  return { [door]: await import('./index.ts'), ...Object.fromEntries(loaded) }
}

const parts: Readonly<Record<string, () => Promise<unknown>>> = {
  graph: () => import('./graph/index.ts'),
  random: () => import('./random/index.ts'),
  files: () => import('./files/index.ts'),
  engine: () => import('./engine/index.ts'),
  text: () => import('./text/index.ts'),
  models: () => import('./models/index.ts'),
  checkpoints: () => import('./checkpoints/index.ts'),
  policy: () => import('./policy/index.ts'),
  preferences: () => import('./preferences/index.ts'),
  labels: () => import('./labels/index.ts'),
  goals: () => import('./goals/index.ts'),
  objectives: () => import('./objectives/index.ts'),
  runs: () => import('./runs/index.ts'),
  curvature: () => import('./curvature/index.ts'),
  audits: () => import('./audits/index.ts'),
  train: () => import('./train/index.ts'),
  accept: () => import('./accept/index.ts'),
  recipe: () => import('./recipe/index.ts'),
  collect: () => import('./collect/index.ts'),
  align: () => import('./align/index.ts'),
  whitebox: () => import('./whitebox/index.ts'),
  shutdown: () => import('./shutdown/index.ts'),
}

/** The parts of the package that are named in a file and in those it imports from beside it; all where it imports anything else. */
async function namedParts(path: string, seen = new Set<string>()): Promise<ReadonlySet<string> | 'all'> {
  seen.add(path)
  const text = await readFile(path, 'utf8')
  if (/\b(?:import|require)\s*\(\s*[^'"\s)]/.test(text)) return 'all'
  const named = new Set<string>()
  // Whatever looks like an import: one that is none only loads more than is needed.
  for (const [, , from = ''] of text.matchAll(/\b(?:from|import|require)\b\s*\(?\s*(['"])(.*?)\1/g)) {
    if (from === door || isBuiltin(from)) continue
    if (from.startsWith(`${door}/`)) named.add(from.slice(door.length + 1))
    else {
      const file = from.startsWith('.') ? codeFile(resolve(dirname(path), from)) : undefined
      const more = file === undefined ? 'all' : seen.has(file) ? [] : await namedParts(file, seen)
      if (more === 'all') return 'all'
      for (const name of more) named.add(name)
    }
  }
  return named
}

/** The file of code that is meant by a path, which may leave its ending out. */
function codeFile(path: string): string | undefined {
  const endings = ['', '.ts', '.mts', '.js', '.mjs']
  return endings.map((ending) => path + ending).find((file) => /\.m?[jt]s$/.test(file) && existsSync(file))
}
