import { expect, test } from 'vitest'
import ts from 'typescript'
import { type Texts } from './text'

// The catalogues are read from the sources: to load all pages would take minutes.
const sources: Record<string, string> = import.meta.glob(['./**/*.{ts,tsx}', '!./**/*.test.*'], { query: '?raw', import: 'default', eager: true })

function cataloguesOf(path: string, source: string): { en: Texts; ja: Texts }[] {
  const found: { en: Texts; ja: Texts }[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'catalogue') {
      const literal = ts.transpileModule(`(${node.arguments[0]?.getText() ?? ''})`, { compilerOptions: { target: ts.ScriptTarget.ES2022 } }).outputText
      found.push((0, eval)(literal) as { en: Texts; ja: Texts })
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true))
  return found
}

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

test('each text is there in both languages and shows the same parameters', () => {
  const found: string[] = []
  let count = 0
  for (const { en, ja } of Object.entries(sources).flatMap(([path, source]) => cataloguesOf(path, source))) {
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
