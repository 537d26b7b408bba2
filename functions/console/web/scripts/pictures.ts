// Takes pictures of all pages in both languages and themes, into build/pictures. A name as an
// argument takes those of one page only; act-* takes those of all dialogs.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { fill } from '../mock/many'
import { mockOf } from '../mock/server'
import { closeBrowser, open, settled } from '../test/browser/browser'
import { forms, manyBlocks, places } from '../test/browser/places'

const only = process.argv[2]
const out = resolve('../../../build/pictures')
mkdirSync(out, { recursive: true })

// The machine may have no Japanese font. The pages' policy admits no foreign style sheet, so the
// fonts are added by the debugger.
const fonts = join(dirname(createRequire(import.meta.url).resolve('@fontsource/noto-sans-jp/package.json')), 'files')
const faces = [400, 700].map(weight => {
  const file = readdirSync(fonts).find(f => f === `noto-sans-jp-japanese-${weight}-normal.woff2`)
  if (file === undefined) throw new Error(`the package of fonts has no Japanese font of weight ${weight}`)
  return { weight, data: readFileSync(join(fonts, file)).toString('base64') }
})

async function addFonts(page: Page): Promise<void> {
  await page.evaluate(async all => {
    for (const { weight, data } of all) {
      const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0))
      // The pages' own font comes first in their style sheet; its name gets these characters too.
      for (const family of ['Open Sans', 'Noto Sans JP']) {
        const face = new FontFace(family, bytes, { weight: String(weight), unicodeRange: 'U+2000-206F,U+2190-21FF,U+3000-30FF,U+4E00-9FFF,U+FF00-FFEF' })
        document.fonts.add(await face.load())
      }
    }
  }, faces)
}

const empty = places.filter(p => ['home', 'pools', 'map', 'resources', 'settings'].includes(p.name)).map(p => ({ ...p, name: `${p.name}-empty`, empty: true }))
const wanted = [...places, ...empty, ...manyBlocks, ...forms].filter(p => only === undefined || p.name === only || (only.endsWith('*') && p.name.startsWith(only.slice(0, -1))))

let count = 0
const many = new Set(manyBlocks)
for (const language of ['en', 'ja'] as const) {
  for (const theme of ['light', 'dark'] as const) {
    for (const place of wanted) {
      const { name, path, then, empty } = place
      const mock = mockOf({ empty: empty === true })
      const viewed = await open(many.has(place) ? fill(mock) : mock, path, { language, theme })
      if (language === 'ja') await addFonts(viewed.page)
      await then?.(viewed.page, language)
      await settled(viewed.page)
      await viewed.page.screenshot({ path: join(out, `${name}-${language}-${theme}.png`), fullPage: then === undefined && /^(create|allocate|edit)/.test(name) })
      await viewed.close()
      count++
    }
  }
}
await closeBrowser()
console.log(`${count} pictures in ${out}`)
