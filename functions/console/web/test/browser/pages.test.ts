import { afterAll, describe, expect, test } from 'vitest'
import { mockOf } from '../../mock/server'
import { axe, closeBrowser, open } from './browser'
import { places } from './places'

afterAll(closeBrowser)

// The hostile texts of the mock are on several pages: a name, a description, a group.
describe.each(places)('$name', ({ path }) => {
  test.each([['en', 'light'], ['ja', 'dark']] as const)('in %s and %s: no fault, no refusal of the policy, axe finds nothing serious', async (language, theme) => {
    const viewed = await open(mockOf(), path, { language, theme })
    try {
      expect(await viewed.page.evaluate(() => document.documentElement.lang)).toBe(language)
      expect(await axe(viewed.page)).toEqual([])
      expect(await viewed.page.evaluate(() => (window as unknown as { hostile?: number }).hostile)).toBeUndefined()
      expect(await viewed.page.locator('#root img[src="x"], #root script').count()).toBe(0)
      expect(viewed.faults).toEqual([])
    } finally {
      await viewed.close()
    }
  })
})
