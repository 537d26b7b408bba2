// `cadastre console` for each class, against the API behind a front that verifies signatures,
// and foreign pages that try to use an open session. localstack/e2e/test_console_pages.py
// starts a console for each class.
import { createServer } from 'node:http'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, settled } from '../browser/browser'
import { select } from '../browser/places'
import { list, need, post, until, watch } from './world'

const names = ['reader', 'allocator', 'admin', 'nobody'] as const
type Name = (typeof names)[number]

const links = Object.fromEntries(Object.entries(JSON.parse(need('CONSOLE_LINKS')) as Record<Name, string>).map(([name, link]) => [name, new URL(link)])) as Record<Name, URL>
const pool = need('POOL')
const allocation = need('ALLOCATION') // a CIDR that is allocated, to be released by those who may
let chromium: Browser
const contexts: Partial<Record<Name, BrowserContext>> = {}

beforeAll(async () => {
  chromium = await launch()
  for (const name of names) {
    const context = await chromium.newContext({ locale: 'en-GB', viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' })
    context.setDefaultTimeout(20_000)
    contexts[name] = context
    const page = await context.newPage()
    expect((await page.goto(links[name].href))?.status()).toBe(200)
    await page.close()
  }
})

afterAll(() => chromium?.close())

async function open(name: Name, path: string): Promise<{ page: Page; faults: string[] }> {
  const context = contexts[name]
  if (!context) throw new Error(`no console of ${name}`)
  const page = await context.newPage()
  const faults = watch(context)
  await page.goto(links[name].origin + path)
  await settled(page)
  return { page, faults }
}

// acts are the buttons of pages, with the callers that see them.
const acts: [string, string, Name[]][] = [
  [`/pools/${pool}`, 'Allocate', ['allocator', 'admin']],
  [`/pools/${pool}`, 'Actions', ['admin']],
  [`/pools/${pool}?tab=allocations`, 'Release', ['allocator', 'admin']],
  [`/pools/${pool}?tab=cidrs`, 'Provision a CIDR', ['admin']],
  [`/pools/${pool}?tab=cidrs`, 'Deprovision', ['admin']],
  [`/pools/${pool}?tab=shares`, 'Share', ['admin']],
  [`/pools/${pool}?tab=tags`, 'Change tags', ['admin']],
  ['/pools', 'Create pool', ['admin']],
  ['/settings', 'Create scope', ['admin']],
]

// forms are the pages that act.
const forms: [string, Name[]][] = [[`/pools/${pool}/allocate`, ['allocator', 'admin']], [`/pools/${pool}/edit`, ['admin']], ['/create', ['admin']], ['/create?step=pool', ['admin']], ['/create?step=scope', ['admin']]]

// calls go behind the page's back.
const calls: [string, object, Name[]][] = [
  ['DescribeIpamPools', {}, ['reader', 'allocator', 'admin']],
  ['GetIpamPoolAllocations', { IpamPoolId: pool }, ['reader', 'allocator', 'admin']],
  ['AllocateIpamPoolCidr', { IpamPoolId: pool, NetmaskLength: 28 }, ['allocator', 'admin']],
  ['AllocateIpamPoolCidr', { IpamPoolId: pool, NetmaskLength: 28, PreviewNextCidr: true }, ['allocator', 'admin']],
  ['ModifyIpamPool', { IpamPoolId: pool, Description: 'changed' }, ['admin']],
  ['CreateIpamPool', { IpamScopeId: need('SCOPE'), AddressFamily: 'ipv4' }, ['admin']],
  ['CreateTags', { Resources: [pool], Tags: [{ Key: 'a', Value: 'b' }] }, ['admin']],
  ['PutIpamPoolShare', { IpamPoolId: pool, Principal: '444455556666' }, ['admin']],
  ['GetAccessGrants', {}, ['admin']],
  ['PutAccessGrants', { Administrators: [], Allocators: [], Readers: [] }, ['admin']],
]

describe.each(['reader', 'allocator', 'admin'] as const)('%s', name => {
  test('sees the acts of the class, and no other', async () => {
    const { page, faults } = await open(name, '/')
    for (const [path, act, may] of acts) {
      await page.goto(links[name].origin + path)
      await settled(page)
      expect([path, act, (await page.getByRole('button', { name: act, exact: true }).count()) > 0]).toEqual([path, act, may.includes(name)])
    }
    for (const [path, may] of forms) {
      await page.goto(links[name].origin + path)
      await settled(page)
      expect([path, await page.getByText('Your class may not do this').count()]).toEqual([path, may.includes(name) ? 0 : 1])
    }
    expect(faults).toEqual([])
    await page.close()
  })

  test('may do what is the class’s own, also by calls behind the page’s back', async () => {
    const { page } = await open(name, '/search')
    for (const [operation, input, may] of calls) {
      const answer = await post(page, operation, input)
      expect([operation, answer.status, answer.code]).toEqual(may.includes(name) ? [operation, 200, ''] : [operation, 403, 'UnauthorizedOperation'])
    }
    await page.close()
  })
})

test('one who allocates acts by the pages', async () => {
  const { page } = await open('allocator', `/pools/${pool}/allocate`)
  await page.getByText('The pool would give').waitFor()
  await page.getByRole('textbox', { name: /^Description/ }).fill('of the allocator')
  await page.getByRole('button', { name: 'Allocate', exact: true }).click()
  await page.getByText('is allocated.').waitFor()
  await page.goto(`${links.allocator.origin}/pools/${pool}?tab=allocations`)
  await page.getByText('of the allocator').first().waitFor()
  await select(page, allocation)
  await page.getByRole('button', { name: 'Release', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Release', exact: true }).click()
  await page.getByText(`${allocation} is released.`).waitFor()
  await page.close()
})

test('a caller without a class reads why', async () => {
  const page = await contexts.nobody?.newPage()
  await page?.goto(`${links.nobody.origin}/pools`)
  await page?.getByText('needs the class read').first().waitFor()
})

describe('an open session is of no use to', () => {
  // used opens a page of another site in the administrator's browser and returns the outcomes of
  // its tries to make a pool.
  const tries = async (page: Page, to: string) => page.evaluate(async ([origin, body]) => {
    const tried = async (init: RequestInit) => fetch(`${origin}/v1/CreateIpamPool`, { method: 'POST', credentials: 'include', body, ...init }).then(a => `${a.type} ${a.status}`, () => 'refused')
    const form = Object.assign(document.createElement('form'), { method: 'post', action: `${origin}/v1/CreateIpamPool`, target: 'framed', enctype: 'text/plain' })
    const frame = Object.assign(document.createElement('iframe'), { name: 'framed' })
    const loaded = new Promise(done => frame.addEventListener('load', done, { once: true }))
    document.body.append(frame, form)
    form.append(Object.assign(document.createElement('input'), { name: body.slice(0, -1) + ',"x":"', value: '"}' }))
    form.submit()
    await loaded
    return [await tried({ headers: { 'Content-Type': 'application/json', 'X-Cadastre-Console': '1' } }), await tried({ headers: { 'Content-Type': 'application/json' } }), await tried({ mode: 'no-cors' })]
  }, [to, JSON.stringify({ IpamScopeId: need('SCOPE'), AddressFamily: 'ipv4', Description: 'foreign' })] as const)

  async function pools(): Promise<number> {
    const { page } = await open('admin', '/search')
    const n = (await list(page, 'DescribeIpamPools', 'IpamPools')).length
    await page.close()
    return n
  }

  test.each(['127.0.0.1', 'localhost'])('a page of another server at %s', async host => {
    const before = await pools()
    const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>A foreign page</h1>'))
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    const page = await contexts.admin?.newPage()
    if (!page || address === null || typeof address === 'string') throw new Error('no page')
    await page.goto(`http://${host}:${address.port}/`)
    expect(await tries(page, links.admin.origin)).toEqual(['refused', 'refused', 'refused'])
    await page.close()
    server.close()
    server.closeAllConnections()
    expect(await pools()).toBe(before)
  })

  test('a page whose name was made to point at this machine', async () => {
    const rebound = await launch([`--host-resolver-rules=MAP rebound.example 127.0.0.1`])
    try {
      const context = await rebound.newContext()
      // It has the cookie even so.
      await context.addCookies(((await contexts.admin?.cookies()) ?? []).map(({ name, value }) => ({ name, value, domain: 'rebound.example', path: '/' })))
      const page = await context.newPage()
      const own = `http://rebound.example:${links.admin.port}`
      expect((await page.goto(`${own}/`))?.status()).toBe(403)
      expect(await page.evaluate(async () => fetch('/v1/DescribeIpamPools', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json', 'X-Cadastre-Console': '1' } }).then(a => a.status))).toBe(403)
    } finally {
      await rebound.close()
    }
  })

  test('a page that frames the console', async () => {
    const { page } = await open('admin', '/search')
    const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<iframe src="${links.admin.origin}/pools"></iframe>`))
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    await page.goto(`http://127.0.0.1:${address.port}/`)
    await until('the browser to refuse the frame', () => Promise.resolve(page.frames()[1]?.url().startsWith('chrome-error:')))
    await page.close()
    server.close()
    server.closeAllConnections()
  })
})
