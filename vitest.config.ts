import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    testTimeout: 60_000,
    // Two workers: every engine test owns an ONNX Runtime thread pool of its own.
    maxWorkers: 2,
  },
})
