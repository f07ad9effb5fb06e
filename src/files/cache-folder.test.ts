import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cacheFolder } from './cache-folder.ts'

it.each<[string, NodeJS.ProcessEnv, NodeJS.Platform, string]>([
  ['what $INNATE_CACHE says', { INNATE_CACHE: 'here', XDG_CACHE_HOME: 'there' }, 'linux', 'here'],
  ['where Linux keeps caches', {}, 'linux', join(homedir(), '.cache', 'innate')],
  ['where the user keeps caches', { XDG_CACHE_HOME: 'there' }, 'linux', join('there', 'innate')],
  ['where macOS keeps caches', {}, 'darwin', join(homedir(), 'Library', 'Caches', 'innate')],
  ['where Windows keeps caches', { LOCALAPPDATA: 'local' }, 'win32', join('local', 'innate')],
])('the cache folder is %s', (_, env, platform, folder) => {
  expect(cacheFolder(env, platform)).toBe(folder)
})
