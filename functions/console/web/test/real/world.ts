// The shared parts of the tests against a running console: their environment, the browser, and
// calls like those of a page's own code.
import type { BrowserContext, Page } from 'playwright-core'

// need returns a variable of the environment, which localstack/e2e sets.
export function need(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set; localstack/e2e runs these tests`)
  return value
}

export interface Answer {
  status: number
  code: string // the API's; '' if something before it refuses the call
  body: Record<string, unknown>
}

// post calls an operation from inside a page, with the page's own session. The pages offer a
// class its own operations only; this call goes behind their back.
export async function post(page: Page, operation: string, input: object = {}, headers: Record<string, string> = { 'X-Cadastre-Console': '1' }): Promise<Answer> {
  return page.evaluate(async ([path, text, more]) => {
    const answer = await fetch(path, { method: 'POST', body: text, headers: { 'Content-Type': 'application/json', ...more } })
    const body = (await answer.json().catch(() => ({}))) as Record<string, unknown>
    const code = body['Code']
    return { status: answer.status, code: typeof code === 'string' ? code : (answer.headers.get('X-Cadastre-Error-Code') ?? ''), body }
  }, [`/v1/${operation}`, JSON.stringify(input), headers] as const)
}

// list returns all items of a list of the API.
export async function list(page: Page, operation: string, member: string, input: object = {}): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = []
  for (let token: unknown; ;) {
    const { status, body } = await post(page, operation, { ...input, ...(token === undefined ? {} : { NextToken: token }) })
    if (status !== 200) throw new Error(`${operation}: ${JSON.stringify(body)}`)
    all.push(...(body[member] as Record<string, unknown>[]))
    token = body['NextToken']
    if (token === undefined || token === null) return all
  }
}

// until waits for a condition that the console's functions make true.
export async function until<T>(what: string, condition: () => Promise<T | undefined | false>, seconds = 60): Promise<T> {
  for (const end = Date.now() + seconds * 1000; ;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`)
    await new Promise(done => setTimeout(done, 200))
  }
}

// watch collects the errors of a context's pages, and refusals of their policy. Answers with
// a refusal of the API are no fault.
export function watch(context: BrowserContext): string[] {
  const faults: string[] = []
  context.on('weberror', e => faults.push(e.error().message))
  context.on('console', m => { if (m.type() === 'error' && !m.text().includes('status of 4')) faults.push(m.text()) })
  return faults
}

// describeFailure returns the text of a page at a test's failure.
export async function describeFailure(page: Page, faults: readonly string[]): Promise<string> {
  const text = await page.locator('body').innerText().catch((e: unknown) => String(e))
  return [`the page was ${page.url()}:`, text.slice(0, 4000), ...faults.map(f => `fault: ${f}`)].join('\n')
}
