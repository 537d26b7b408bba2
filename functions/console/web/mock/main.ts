// npm run dev: the pages with the mock API, built anew when a source changes.
import { build } from 'vite'
import { mockOf, serve } from './server'

const { url } = await serve(mockOf({ class: (process.env['CLASS'] as 'read' | undefined) ?? 'administer', empty: process.env['EMPTY'] === '1' }), 'dist', { port: Number(process.env['PORT'] ?? 5180), delay: 100 })
await build({ build: { watch: {}, minify: false } })
console.log(`The pages with the mock API: ${url}`)
