import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [react()],
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}', 'mock/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    server: { deps: { inline: [/@cloudscape-design/] } },
    css: false,
    testTimeout: 120_000,
  },
})
