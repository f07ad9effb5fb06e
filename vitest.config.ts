import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('src/', import.meta.url))

export default defineConfig({
  // Examples import the package and its parts by name, as a user does.
  resolve: {
    alias: [
      { find: /^innate$/, replacement: `${src}index.ts` },
      { find: /^innate\/(\w+)$/, replacement: `${src}$1/index.ts` },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts', 'box/**/*.test.ts'],
    testTimeout: 60_000,
    // Two workers with one thread each, so that two cores are used once: idle threads of an engine's pool spin.
    maxWorkers: 2,
    env: { INNATE_THREADS: '1' },
  },
})
