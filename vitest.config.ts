import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Examples import the package by its name, as a user does.
  resolve: { alias: [{ find: /^innate$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }] },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    testTimeout: 60_000,
    // Two workers: every engine test owns an ONNX Runtime thread pool of its own.
    maxWorkers: 2,
  },
})
