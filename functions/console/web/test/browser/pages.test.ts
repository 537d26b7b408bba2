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

test('axe finds a picture without a text, a policy refuses an inline script, and / opens the search', async () => {
  const viewed = await open(mockOf(), '/')
  try {
    await viewed.page.keyboard.press('/')
    await viewed.page.keyboard.type('10.1.0.5')
    await viewed.page.keyboard.press('Enter')
    await viewed.page.waitForURL('**/search?q=10.1.0.5')
    expect(viewed.faults).toEqual([])
    await viewed.page.evaluate(() => {
      document.body.append(Object.assign(document.createElement('img'), { src: '/icon.svg' }))
      document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.inline = 1' }))
    })
    expect((await axe(viewed.page)).map(f => f.id)).toContain('image-alt')
    expect(await viewed.page.evaluate(() => (window as unknown as { inline?: number }).inline)).toBeUndefined()
    expect(viewed.faults.join()).toContain('Content Security Policy')
  } finally {
    await viewed.close()
  }
})

test('language, theme and zone are chosen in the menu, and stay', async () => {
  const viewed = await open(mockOf(), '/history?cidr=10.1.0.0/24')
  try {
    const { page } = viewed
    expect(await page.locator('tbody time').first().textContent()).toContain('GMT+9')
    for (const item of ['UTC', 'Dark', '日本語']) {
      await page.getByRole('button', { name: 'Display' }).click()
      await page.getByRole('menuitemcheckbox', { name: item }).click()
    }
    await page.reload()
    await page.getByRole('heading', { level: 1, name: '履歴' }).waitFor()
    expect(await page.evaluate(() => [document.documentElement.lang, document.body.classList.contains('awsui-dark-mode')])).toEqual(['ja', true])
    expect(await page.locator('tbody time').first().textContent()).toContain('UTC')
  } finally {
    await viewed.close()
  }
})

test('a list is saved as CSV with all rows, and no cell runs as a formula', async () => {
  const mock = mockOf()
  const first = mock.data.resources[0]
  if (first) first.ResourceName = '=cmd()'
  const viewed = await open(mock, '/resources')
  try {
    const saved = viewed.page.waitForEvent('download')
    await viewed.page.getByRole('button', { name: 'Download CSV: Resources' }).click()
    const stream = await (await saved).createReadStream()
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const lines = Buffer.concat(chunks).toString().trimEnd().split('\r\n')
    expect(lines).toHaveLength(71)
    expect(lines[1]).toContain("'=cmd()")
  } finally {
    await viewed.close()
  }
})
