import { cleanup, configure } from '@testing-library/react'
import { afterEach, beforeEach } from 'vitest'

// jsdom has no layout and no media queries; the components ask for both.
globalThis.matchMedia ??= ((query: string) => ({ matches: false, media: query, addEventListener: () => undefined, removeEventListener: () => undefined })) as unknown as typeof matchMedia

// A busy machine renders slowly.
configure({ asyncUtilTimeout: 40_000 })

beforeEach(() => {
  localStorage.clear()
})
afterEach(() => {
  cleanup()
})
