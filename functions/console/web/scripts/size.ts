// Prints the compressed size of the first load, and fails if it is above the limit: the
// start, the layout, one language's texts of the components and the home page.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const limit = 500 * 1024

interface Chunk { file: string; css?: string[]; imports?: string[]; dynamicImports?: string[] }

const manifest = JSON.parse(readFileSync('dist/manifest.json', 'utf8')) as Record<string, Chunk>
const first = ['index.html', 'src/pages/home.tsx', Object.keys(manifest).find(k => k.endsWith('i18n/messages/all.en.js')) ?? 'all.en.js']

const files = new Set<string>()
function add(key: string): void {
  const chunk = manifest[key]
  if (!chunk) throw new Error(`the build has no ${key}`)
  if (files.has(chunk.file)) return
  files.add(chunk.file)
  chunk.css?.forEach(css => files.add(css))
  chunk.imports?.forEach(add)
}
first.forEach(add)

let total = gzipSync(readFileSync('dist/index.html')).length
for (const file of [...files].sort()) {
  const size = gzipSync(readFileSync(`dist/${file}`)).length
  total += size
  console.log(`${(size / 1024).toFixed(1).padStart(7)} KB  ${file}`)
}
console.log(`${(total / 1024).toFixed(1).padStart(7)} KB  first load, compressed (limit ${limit / 1024} KB)`)
if (total > limit) {
  console.error('The first load is above its limit.')
  process.exit(1)
}
