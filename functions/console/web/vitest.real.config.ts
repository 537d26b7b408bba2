import { defineConfig } from 'vitest/config'

// The tests in a browser against a running console. localstack/e2e starts the console and
// runs them.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/real/**/*.test.ts'],
    fileParallelism: false,
    reporters: ['verbose'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
})
