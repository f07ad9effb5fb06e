/// <reference types="node" preserve="true" />
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where models that were fetched or converted, and what was computed of them, are kept: $INNATE_CACHE, or the system's folder for caches. */
export function cacheFolder(env = process.env, platform = process.platform): string {
  if (env.INNATE_CACHE) return env.INNATE_CACHE
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'innate')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'innate')
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'innate')
}
