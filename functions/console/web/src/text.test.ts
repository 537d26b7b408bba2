import { expect, test } from 'vitest'
import { catalogues, type Texts } from './text'

// All files with texts are loaded, so that each catalogue is known.
const files = import.meta.glob(['./**/*.{ts,tsx}', '!./**/*.test.*', '!./main.tsx'])

function walk(en: Texts, ja: Texts, path: string, visit: (en: string, ja: string, path: string) => void): void {
  for (const [key, value] of Object.entries(en)) {
    const other = ja[key]
    if (typeof value === 'object') walk(value, other as Texts, `${path}.${key}`, visit)
    else {
      // Parameters are marked, to see that both languages show them.
      const call = (f: string | ((...args: never[]) => string) | undefined) => (typeof f === 'function' ? f(...(Array.from({ length: f.length }, (_, i) => `<${i}>`) as never[])) : String(f))
      visit(call(value), call(other as string), `${path}.${key}`)
    }
  }
}

test('each text is there in both languages and shows the same parameters', async () => {
  await Promise.all(Object.values(files).map(load => load()))
  const found: string[] = []
  let count = 0
  for (const { en, ja } of catalogues()) {
    walk(en, ja, '', (english, japanese, path) => {
      count++
      if (english === '' || japanese === '' || japanese === 'undefined') found.push(`${path}: empty`)
      if ((english.match(/<\d>/g) ?? []).sort().join() !== (japanese.match(/<\d>/g) ?? []).sort().join()) found.push(`${path}: ${english} | ${japanese}`)
      // A sentence in Japanese has Japanese letters; names such as VPC have none.
      if (/\b(the|is|are|of|to)\b/.test(english) && !/[぀-ヿ一-鿿]/.test(japanese)) found.push(`${path}: ${japanese} is not Japanese`)
    })
  }
  expect(found).toEqual([])
  expect(count).toBeGreaterThan(300)
})
