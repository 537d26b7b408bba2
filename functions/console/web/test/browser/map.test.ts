import { afterAll, expect, test } from 'vitest'
import type { Mock } from '../../mock/answer'
import { fill } from '../../mock/many'
import { pools } from '../../mock/data'
import { mockOf } from '../../mock/server'
import { axe, closeBrowser, open, settled, type Look, type Viewed } from './browser'
import { manyBlocks } from './places'

afterAll(closeBrowser)

async function see(mock: Mock, path: string, look: Look, of: (viewed: Viewed) => Promise<void>): Promise<void> {
  const viewed = await open(mock, path, look)
  try {
    await of(viewed)
    expect(viewed.faults).toEqual([])
  } finally {
    await viewed.close()
  }
}

const at = (viewed: Viewed) => { const { pathname, search } = new URL(viewed.page.url()); return decodeURIComponent(pathname + search) }
// colourAt returns the colour of the canvas at a place of the page's pixels.
const colourAt = (viewed: Viewed, x: number, y: number) => viewed.page.locator('canvas').evaluate((canvas: HTMLCanvasElement, [px, py]) => [...(canvas.getContext('2d')?.getImageData(px ?? 0, py ?? 0, 1, 1).data ?? [])].slice(0, 3).join(), [x, y])
const top = 24 // of the first row
const place = async (viewed: Viewed) => {
  const box = await viewed.page.locator('canvas').boundingBox()
  if (!box) throw new Error('there is no canvas')
  return box
}

test('a click on a hole leads to the form of its pool; a click on a block shows it', async () => {
  await see(mockOf(), `/map?pool=${pools.tokyo}`, {}, async viewed => {
    const box = await place(viewed)
    const width = box.width - 44
    // 10.4.0.0/14 has the rows 14, 15, 16: the block 10.5.0.0/16 is the second quarter of the third.
    await viewed.page.mouse.click(box.x + 44 + width * 0.4, box.y + top + 75)
    await viewed.page.getByRole('heading', { level: 2, name: '10.5.0.0/16' }).waitFor()
    await viewed.page.mouse.move(box.x + 44 + width * 0.75, box.y + top + 45)
    await viewed.page.getByRole('heading', { level: 2, name: '10.6.0.0/15' }).waitFor()
    await viewed.page.mouse.click(box.x + 44 + width * 0.75, box.y + top + 45)
    await viewed.page.waitForURL('**/allocate?**')
    expect(at(viewed)).toBe(`/pools/${pools.tokyo}/allocate?cidr=10.6.0.0/15`)
  })
})

test('a class that reads gets no form', async () => {
  await see(mockOf({ class: 'read' }), `/map?pool=${pools.tokyo}`, {}, async viewed => {
    const box = await place(viewed)
    await viewed.page.mouse.click(box.x + 44 + (box.width - 44) * 0.75, box.y + top + 45)
    await viewed.page.getByText('Your class may not allocate.').waitFor()
    expect(at(viewed)).toBe(`/map?pool=${pools.tokyo}`)
  })
})

test('everything works by keyboard: reach the map, move, zoom in and out, allocate, and leave', async () => {
  await see(mockOf(), '/map', {}, async viewed => {
    const { page } = viewed
    await page.getByRole('button', { name: 'Show everything' }).focus()
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('role'))).toBe('application')
    await page.getByRole('heading', { level: 2, name: '10.0.0.0/12' }).waitFor()
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'Enter']) await page.keyboard.press(key)
    await page.waitForURL('**cidr=10.1.0.0**')
    expect(await page.locator('[aria-live=polite]').allTextContents()).toContainEqual(expect.stringContaining('osaka-prod'))
    await page.keyboard.press('Escape')
    await page.waitForURL('**cidr=10.0.0.0%2F14**')
    await page.keyboard.press('0')
    await page.waitForURL(url => !url.search.includes('cidr'))
    for (const key of ['+', '+', '-', 'ArrowDown', 'ArrowRight', 'ArrowRight', 'a']) await page.keyboard.press(key)
    await page.waitForURL('**/allocate?**')
    expect(at(viewed)).toContain(`/pools/${pools.osaka}/allocate?cidr=10.2.0.0/15`)
  })
})

test('a block that the page zooms to fills the map, and going back zooms out', async () => {
  await see(mockOf(), `/map?pool=${pools.osaka}`, {}, async viewed => {
    const { page } = viewed
    const box = await place(viewed)
    const [x, y] = [44 + (box.width - 44) * 0.7, top + 105]
    // Row 16 has nothing at 70 %: 10.2.0.0/15 is free. Zoomed to, 10.1.0.0/16 is there.
    const empty = await colourAt(viewed, x, y - 30)
    await page.getByRole('application').focus()
    for (const key of ['ArrowDown', 'ArrowRight', 'Enter']) await page.keyboard.press(key)
    await page.waitForURL('**cidr=10.1.0.0**')
    await expect.poll(() => colourAt(viewed, x, y - 30)).not.toBe(empty)
    await page.goBack()
    await expect.poll(() => colourAt(viewed, x, y - 30)).toBe(empty)
  })
})

test('wheel and drag move the view', async () => {
  await see(mockOf(), `/map?pool=${pools.osaka}`, {}, async viewed => {
    const { page } = viewed
    const box = await place(viewed)
    const view = () => page.locator('canvas').evaluate(canvas => { const { from, width } = (canvas as unknown as { stage: { view: { from: bigint; width: bigint } } }).stage.view; return { from: Number(from), width: Number(width) } })
    const before = await view()
    await page.mouse.move(box.x + 44 + (box.width - 44) / 2, box.y + 40)
    await page.mouse.wheel(0, -700)
    await expect.poll(async () => (await view()).width).toBeLessThan(before.width * 0.6)
    await page.waitForTimeout(400) // the gesture ends
    const zoomed = await view()
    await page.mouse.down()
    await page.mouse.move(box.x + 44 + (box.width - 44) / 4, box.y + 40, { steps: 4 })
    await page.mouse.up()
    const dragged = await view()
    expect(dragged.width).toBeCloseTo(zoomed.width, -6)
    expect((dragged.from - zoomed.from) / zoomed.width).toBeCloseTo(0.25, 2)
  })
})

test.each([['en', 'light', 'Show a time of the past'], ['ja', 'dark', '過去の時点を表示']] as const)('the form of a time of the past in %s and %s: axe finds nothing serious', async (language, theme, name) => {
  await see(mockOf(), '/map', { language, theme }, async viewed => {
    await viewed.page.getByRole('button', { name }).click()
    await viewed.page.locator('.map-past input').first().waitFor()
    expect(await axe(viewed.page)).toEqual([])
  })
})

test.each(manyBlocks.flatMap(p => [{ ...p, language: 'en' as const, theme: 'light' as const }, { ...p, language: 'ja' as const, theme: 'dark' as const }]))('$name with thousands of blocks in $language and $theme: no fault, axe finds nothing serious', async ({ path, language, theme }) => {
  await see(fill(mockOf()), path, { language, theme }, async viewed => {
    expect(await axe(viewed.page)).toEqual([])
    expect(await viewed.page.evaluate(() => (window as unknown as { hostile?: number }).hostile)).toBeUndefined()
  })
})

test('zooming into tiles asks for the part that is seen, and shows its blocks', async () => {
  const mock = fill(mockOf())
  await see(mock, `/map?pool=${pools.tokyo}`, {}, async viewed => {
    const { page } = viewed
    const windows = () => mock.calls.flatMap(c => (c.operation === 'GetIpamSpaceMap' && typeof c.input['Cidr'] === 'string' ? [c.input['Cidr']] : []))
    expect(windows()).toEqual([])
    await page.getByText('Added up by the scan').waitFor()
    const box = await place(viewed)
    await page.mouse.move(box.x + 44 + (box.width - 44) * 0.85, box.y + top + 200)
    for (let i = 0; i < 8; i++) await page.mouse.wheel(0, -600)
    await expect.poll(windows).not.toEqual([])
    await page.getByText('Read from the table').waitFor()
    await settled(page)
    expect(windows().every(w => w.startsWith('10.7.'))).toBe(true)
    const exact = await page.locator('canvas').evaluate(canvas => (canvas as unknown as { stage: { shown: { scene: { model: { cells: { items: { kind: string }[] }[] } } } } }).stage.shown.scene.model.cells.filter(c => c.items.some(i => i.kind === 'allocated')).length)
    expect(exact).toBeGreaterThan(10)
  })
})
