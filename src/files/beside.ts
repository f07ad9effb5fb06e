import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'

const loading = new AsyncLocalStorage<{ readonly folder: string; readonly files: Set<string> }>()

/** Runs work in which `beside` looks in a folder first, and says which files it was asked for. */
export async function namingBeside<T>(folder: string, work: () => Promise<T>): Promise<{ value: T; files: string[] }> {
  const files = new Set<string>()
  const value = await loading.run({ folder, files }, work)
  return { value, files: [...files] }
}

/** Where a file is that code names: while a recipe is loaded beside it, then in the current folder; else as it is named. */
export function beside(path: string): string {
  const now = loading.getStore()
  if (!now) return path
  const there = join(now.folder, path)
  const found = isAbsolute(path) ? path : existsSync(there) ? there : resolve(path)
  now.files.add(found)
  return found
}
