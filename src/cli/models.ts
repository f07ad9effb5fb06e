import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { models as named } from '../checkpoints/index.ts'
import { cacheFolder } from '../files/index.ts'
import { command } from './command.ts'

/** What the cache holds. */
export const models = command({
  name: 'models',
  about: 'List the models that are known by name, and what the cache on this machine holds.',
  examples: ['models', 'models --json'],

  async action(_, screen) {
    const folder = cacheFolder()
    const entries = existsSync(folder) ? await readdir(folder, { withFileTypes: true }) : []
    const cached = []
    for (const { name } of entries.toSorted((a, b) => a.name.localeCompare(b.name)))
      cached.push({ name, path: join(folder, name), bytes: await sizeOf(join(folder, name)) })
    for (const name of Object.keys(named)) screen.emit({ name, known: true })
    for (const entry of cached) screen.emit({ ...entry, known: false })
    screen.line('Known by name:')
    screen.table(Object.keys(named).map((name) => [`  ${name}`]))
    screen.line()
    if (cached.length === 0) {
      screen.line(`${folder} holds nothing yet.`)
      return
    }
    screen.line(`In ${folder}, where nothing is lost but time when it is deleted:`)
    screen.table(cached.map(({ name, bytes }) => [`  ${name}`, `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`]))
  },
})

async function sizeOf(path: string): Promise<number> {
  const about = await stat(path)
  if (!about.isDirectory()) return about.size
  const files = await readdir(path, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(files.filter((file) => file.isFile()).map((file) => stat(join(file.parentPath, file.name)).then(({ size }) => size, () => 0))) // biome-ignore format: one line
  return sizes.reduce((a, b) => a + b, 0)
}
