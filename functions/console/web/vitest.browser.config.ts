import { defineConfig } from 'vitest/config'

// The tests in a real browser share one browser, and the machine has few cores.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/browser/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
