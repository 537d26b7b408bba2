// A real Chromium for the tests and pictures: the machine's own, or the one of an npm package.
import chromium from '@sparticuz/chromium'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium as playwright, type Browser, type BrowserContext, type Page } from 'playwright-core'
import type { Mock } from '../../mock/answer'
import { serve, type Served } from '../../mock/server'

const own = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/google-chrome'].find(path => path !== undefined && existsSync(path))

// launch starts a browser of its own for the caller, with more arguments.
export async function launch(args: readonly string[] = []): Promise<Browser> {
  return playwright.launch({
    executablePath: own ?? (await chromium.executablePath()),
    // Not the package's own arguments: they are for one process without memory to share, and
    // switch the browser's security off.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic', ...args],
  })
}

let started: Promise<Browser> | undefined

export function browser(): Promise<Browser> {
  started ??= launch()
  return started
}

export async function closeBrowser(): Promise<void> {
  await (await started)?.close()
  started = undefined
}

export interface Viewed {
  page: Page
  context: BrowserContext
  served: Served
  // faults are errors of the page and refusals of the content security policy.
  faults: string[]
  close: () => Promise<void>
}

export interface Look {
  language?: 'en' | 'ja'
  theme?: 'light' | 'dark'
  width?: number
  height?: number
}

// open shows a path of the built pages, with the mock as the API, and waits for its data.
export async function open(mock: Mock, path: string, { language = 'en', theme = 'light', width = 1440, height = 900 }: Look = {}): Promise<Viewed> {
  const served = await serve(mock, 'dist')
  const context = await (await browser()).newContext({
    viewport: { width, height }, locale: language === 'ja' ? 'ja-JP' : 'en-GB', colorScheme: theme, timezoneId: 'Asia/Tokyo', reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', e => faults.push(e.message))
  page.on('console', m => { if (m.type() === 'error' && !m.text().includes('status of 4')) faults.push(m.text()) })
  await page.goto(served.url + path)
  await settled(page)
  return { page, context, served, faults, close: async () => { await context.close(); await served.close() } }
}

// settled waits until the page has asked for all of its data and shows it.
export async function settled(page: Page): Promise<void> {
  await page.waitForLoadState('networkidle')
  await page.locator('h1').first().waitFor()
  await page.waitForFunction(() => document.querySelectorAll('[class*="awsui_spinner"]').length === 0)
}

const require = createRequire(import.meta.url)
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

export interface Finding { id: string; impact: string; nodes: string[] }

// axe returns the serious and critical findings of WCAG 2.2 A and AA.
export async function axe(page: Page): Promise<Finding[]> {
  // The policy of the page admits no foreign script; the debugger's evaluation is no script of the page.
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const run = (window as unknown as { axe: { run: (c: Document, o: object) => Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe.run
    const { violations } = await run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
    return violations.filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => ({ id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 5).map(n => `${n.html.slice(0, 200)} ${n.failureSummary.slice(0, 300)}`) }))
  })
}
