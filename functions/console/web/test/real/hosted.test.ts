// The hosted console: its function behind an HTTP API, and a provider of OpenID Connect.
// localstack/e2e/test_console_hosted.py deploys and configures both.
import { createCipheriv, createDecipheriv, generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Browser, BrowserContext, Cookie, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch, settled } from '../browser/browser'
import { start, type Change, type Running } from './provider'
import { list, need, post, until, watch } from './world'

const origin = need('CONSOLE_ORIGIN') // https://NAME
const address = need('CONSOLE_ADDRESS') // host:port of the front
const minutes = Number(need('CONSOLE_SESSION_MINUTES'))
const sessionCookie = '__Host-cadastre-session'

const people = {
  ana: { email: 'ana@example.com', email_verified: true, groups: ['engineers', 'unknown'] },
  ben: { email: 'ben@example.com', email_verified: true, groups: ['engineers', 'platform-team'] },
  cho: { email: 'cho@example.com', email_verified: true, groups: ['network-admins'] },
  dee: { email: 'dee@example.com', email_verified: true, groups: ['unknown'] },
  eve: { email: 'cho@example.com', email_verified: false, groups: ['engineers'] },
}
type Name = keyof typeof people

let chromium: Browser
let provider: Running

beforeAll(async () => {
  provider = await start(Number(need('OIDC_PORT')), people, { id: need('OIDC_CLIENT'), secret: need('OIDC_SECRET'), callback: `${origin}/callback` })
  chromium = await launch([`--host-resolver-rules=MAP ${new URL(origin).host} ${address}`])
})

afterAll(async () => {
  await chromium?.close()
  await provider?.close()
})

beforeEach(() => {
  provider.change = undefined
  provider.hold = false
  provider.requests.length = 0
  provider.exchanges.length = 0
})

interface Visit { context: BrowserContext; page: Page; faults: string[] }

async function visit<T>(work: (v: Visit) => Promise<T>): Promise<T> {
  const context = await chromium.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB', viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' })
  context.setDefaultTimeout(20_000)
  try {
    return await work({ context, page: await context.newPage(), faults: watch(context) })
  } finally {
    await context.close()
  }
}

// begin opens the console without a session and follows its link to the provider.
async function begin(page: Page, path = '/search'): Promise<void> {
  await page.goto(origin + path)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Identity provider' }).waitFor()
}

async function signIn(page: Page, name: Name, path = '/search'): Promise<void> {
  await begin(page, path)
  await page.getByRole('button', { name: `Sign in as ${name}` }).click()
  await page.waitForURL(url => url.origin === origin && url.pathname !== '/callback')
  await settled(page)
}

async function session(context: BrowserContext): Promise<Cookie | undefined> {
  return (await context.cookies(origin)).find(c => c.name === sessionCookie)
}

interface Session { Name: string; Class: string; Hosted: boolean; Expires: string }

// who returns the session as a page reads it, or the status of the refusal.
async function who(page: Page): Promise<Session | number> {
  return page.evaluate(async () => {
    const answer = await fetch('/session')
    return answer.ok ? ((await answer.json()) as Session) : answer.status
  })
}

describe('sign-in', () => {
  test('leads to the page that was asked for, with PKCE, state and nonce, and leaves no secret in the browser', async () => {
    await visit(async ({ context, page, faults }) => {
      const began = Date.now()
      await signIn(page, 'ana', '/pools')
      expect(new URL(page.url()).pathname).toBe('/pools')
      await page.getByRole('heading', { level: 1, name: 'Pools' }).waitFor()
      await page.getByRole('button', { name: 'ana@example.com' }).waitFor()

      const [asked, ...more] = provider.requests
      expect(more).toEqual([])
      expect(asked?.get('code_challenge_method')).toBe('S256')
      expect(asked?.get('code_challenge')).toMatch(/^[\w-]{43}$/)
      expect(asked?.get('state')).toMatch(/^[\w-]{22,}$/)
      expect(asked?.get('nonce')).toMatch(/^[\w-]{22,}$/)
      expect(asked?.get('redirect_uri')).toBe(`${origin}/callback`)
      expect(provider.exchanges.map(e => [e.status, typeof e.form['code_verifier']])).toEqual([[200, 'string']])

      const now = await who(page)
      if (typeof now === 'number') throw new Error(`/session answers ${now}`)
      expect(now).toMatchObject({ Name: 'ana@example.com', Class: 'read', Hosted: true })
      expect(Math.abs(Date.parse(now.Expires) - began - minutes * 60_000)).toBeLessThan(60_000)
      const cookies = await context.cookies(origin)
      expect(cookies.map(c => c.name)).toEqual([sessionCookie])
      expect(cookies[0]).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Strict', path: '/' })
      expect(Math.abs((cookies[0]?.expires ?? 0) * 1000 - began - minutes * 60_000)).toBeLessThan(60_000)
      expect(await page.evaluate(() => document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage))).not.toMatch(/ey[\w-]+\.|session/)
      expect(faults).toEqual([])
    })
  })

  test.each(['//evil.example/', 'https://evil.example/', '/\\evil.example'])('does not lead to %s', async to => {
    await visit(async ({ page }) => {
      await page.goto(`${origin}/login?to=${encodeURIComponent(to)}`) // not a link of the console
      await page.getByRole('button', { name: 'Sign in as ana' }).click()
      await settled(page)
      expect(page.url()).toBe(`${origin}/`)
    })
  })

  test('refuses a person without a group, and says so', async () => {
    await visit(async ({ context, page }) => {
      await begin(page)
      await page.getByRole('button', { name: 'Sign in as dee' }).click()
      await page.getByText('You are dee@example.com, and none of your 1 groups may use this console.').waitFor()
      expect(await session(context)).toBeUndefined()
      expect(await who(page)).toBe(401)
    })
  })

  test('takes no name from an address that the provider has not verified', async () => {
    await visit(async ({ page }) => {
      await signIn(page, 'eve')
      expect(await who(page)).toMatchObject({ Name: 'eve' })
    })
  })
})

// A provider issues none of these tokens. All but two are signed with its own key.
const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const tokens: [string, () => Change][] = [
  ['expired', () => ({ claims: { exp: Math.floor(Date.now() / 1000) - 60 } })],
  ['forged, with another key', () => ({ key: other })],
  ['not signed', () => ({ key: null })],
  ['of a foreign audience', () => ({ claims: { aud: 'another-console' } })],
  ['of a foreign issuer', () => ({ claims: { iss: 'https://evil.example' } })],
  ['of another sign-in', () => ({ claims: { nonce: 'AAAAAAAAAAAAAAAAAAAAAAAAAA' } })],
  ['forged, with more groups', () => ({ claims: { groups: ['network-admins'] }, key: other })],
]

test.each(tokens)('an ID token is refused: %s', async (_, change) => {
  await visit(async ({ context, page }) => {
    await begin(page)
    provider.change = change()
    await page.getByRole('button', { name: 'Sign in as ana' }).click()
    await page.getByText('The sign-in failed').waitFor()
    expect(provider.exchanges.map(e => e.status)).toEqual([200]) // the provider issued it
    expect(await session(context)).toBeUndefined()
    expect(await who(page)).toBe(401)
  })
})

test('a refused token does not hinder the next sign-in', async () => {
  await visit(async ({ page }) => {
    await begin(page)
    provider.change = { key: other }
    await page.getByRole('button', { name: 'Sign in as ana' }).click()
    await page.getByText('The sign-in failed').waitFor()
    provider.change = undefined
    await page.getByRole('link', { name: 'Sign in' }).click()
    await settled(page)
    expect(await who(page)).toMatchObject({ Class: 'read' })
  })
})

// callback signs a person in at the provider and returns the address that the provider would
// send the browser back to.
async function callback(page: Page, name: Name): Promise<string> {
  provider.hold = true
  await begin(page)
  await page.getByRole('button', { name: `Sign in as ${name}` }).click()
  await page.getByText('The answer is kept back.').waitFor()
  provider.hold = false
  return provider.held.at(-1) ?? ''
}

describe('the provider’s answer', () => {
  test('is of no use in another browser', async () => {
    const url = await visit(async ({ page }) => callback(page, 'cho'))
    await visit(async ({ context, page }) => {
      await page.goto(url)
      await page.getByText('This browser has begun no sign-in here').waitFor()
      await begin(page) // with a sign-in of its own
      await page.goto(url)
      await page.getByText('The sign-in failed').waitFor()
      expect(await session(context)).toBeUndefined()
      expect(provider.exchanges).toEqual([])
    })
  })

  test('has a code that works once, and not without PKCE’s verifier', async () => {
    await visit(async ({ context, page }) => {
      const url = await callback(page, 'ana')
      const stolen = async (verifier: string) => {
        const answer = await fetch(`${provider.issuer}/token`, {
          method: 'POST', headers: { Authorization: `Basic ${Buffer.from([need('OIDC_CLIENT'), need('OIDC_SECRET')].map(encodeURIComponent).join(':')).toString('base64')}` },
          body: new URLSearchParams({ grant_type: 'authorization_code', code: new URL(url).searchParams.get('code') ?? '', redirect_uri: `${origin}/callback`, ...(verifier === '' ? {} : { code_verifier: verifier }) }),
        })
        return (await answer.json()) as { error?: string }
      }
      expect((await stolen('A'.repeat(43))).error).toBe('invalid_grant')
      expect((await stolen('')).error).toBe('invalid_grant')
      await page.goto(url)
      await page.waitForURL(`${origin}/search`)
      expect(await who(page)).toMatchObject({ Class: 'read' })
      await page.goto(url)
      await page.getByText('This browser has begun no sign-in here').waitFor()
      expect((await session(context))?.value).toBeTruthy()
    })
  })
})

describe('each class', () => {
  // The API decides: IAM limits each class's role, and Cadastre's grants give it its class.
  const calls: [string, object, Name[]][] = [
    ['DescribeIpamPools', {}, ['ana', 'ben', 'cho']],
    ['AllocateIpamPoolCidr', { IpamPoolId: need('POOL'), NetmaskLength: 28 }, ['ben', 'cho']],
    ['ModifyIpamPool', { IpamPoolId: need('POOL'), Description: 'hosted' }, ['cho']],
    ['PutAccessGrants', { Readers: ['arn:aws:iam::999999999999:role/auditor'] }, ['cho']],
  ]
  const classes: Record<string, string> = { ana: 'read', ben: 'allocate', cho: 'administer' }

  test.each(['ana', 'ben', 'cho'] as const)('%s may do what is the class’s own, also by calls behind the page’s back', async name => {
    await visit(async ({ page, faults }) => {
      await signIn(page, name)
      expect(await who(page)).toMatchObject({ Class: classes[name] })
      for (const [operation, input, may] of calls) {
        const answer = await post(page, operation, input)
        expect([operation, answer.status], JSON.stringify(answer.body)).toEqual([operation, may.includes(name) ? 200 : 403])
        if (!may.includes(name)) expect(JSON.stringify(answer.body)).toMatch(/not authorized/i)
      }
      const { body } = await post(page, 'GetCallerAccess')
      expect(body['CallerAccess']).toMatchObject({ Class: classes[name] })
      expect((body['CallerAccess'] as { PrincipalArn: string }).PrincipalArn).toMatch(new RegExp(`console-${classes[name] ?? ''}(/${name}@example\\.com)?$`))
      expect(faults).toEqual([])
    })
  })

  test('none without a session, the header of pages, or the console’s own origin', async () => {
    await visit(async ({ context, page }) => {
      await page.goto(`${origin}/search`)
      expect((await post(page, 'DescribeIpams')).status).toBe(401)
      await signIn(page, 'cho')
      expect((await post(page, 'DescribeIpams')).status).toBe(200)
      expect((await post(page, 'DescribeIpams', {}, {})).status).toBe(403)
      expect((await post(page, 'DescribeIpams', {}, { 'X-Cadastre-Console': '0' })).status).toBe(403)
      const scopes = async () => (await list(page, 'DescribeIpamScopes', 'IpamScopes')).length
      const before = await scopes()
      await foreign(async site => {
        const evil = await context.newPage()
        await evil.goto(site)
        const outcomes = await evil.evaluate(async ([to, body]) => {
          const tried = async (init: RequestInit) => fetch(`${to}/v1/CreateIpamScope`, { method: 'POST', credentials: 'include', body, ...init }).then(a => a.type, () => 'refused')
          return [
            await tried({ headers: { 'X-Cadastre-Console': '1', 'Content-Type': 'application/json' } }),
            await tried({ headers: { 'Content-Type': 'application/json' } }),
            await tried({ mode: 'no-cors' }),
          ]
        }, [origin, JSON.stringify({ IpamId: need('IPAM') })] as const)
        expect(outcomes).toEqual(['refused', 'refused', 'refused'])
        expect(await scopes()).toBe(before)
      })
    })
  })
})

// foreign serves a page of another site.
async function foreign(work: (site: string) => Promise<void>): Promise<void> {
  const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>A foreign page</h1>'))
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const where = server.address()
  try {
    await work(`http://localhost:${typeof where === 'object' ? (where?.port ?? 0) : 0}/`)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

// The cookie is sealed by AES-256-GCM with a key in SSM (shared/console/hosted/seal.go).
const seal = Buffer.from(hkdfSync('sha256', need('COOKIE_KEY'), '', `cadastre console cookie ${sessionCookie}`, 32))

function opened(value: string): Record<string, unknown> {
  const box = Buffer.from(value, 'base64url')
  const d = createDecipheriv('aes-256-gcm', seal, box.subarray(0, 12)).setAAD(Buffer.from(sessionCookie)).setAuthTag(box.subarray(-16))
  return JSON.parse(Buffer.concat([d.update(box.subarray(12, -16)), d.final()]).toString()) as Record<string, unknown>
}

function sealed(value: object, key = seal): string {
  const nonce = randomBytes(12)
  const c = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(sessionCookie))
  return Buffer.concat([nonce, c.update(JSON.stringify(value)), c.final(), c.getAuthTag()]).toString('base64url')
}

describe('the end of a session', () => {
  test('signing out ends it in this browser, and the next page asks to sign in', async () => {
    await visit(async ({ context, page }) => {
      await signIn(page, 'ben')
      await page.getByRole('button', { name: 'ben@example.com' }).click()
      await page.getByRole('menuitem', { name: 'Sign out' }).click()
      await page.getByText('You are signed out').waitFor()
      expect(await session(context)).toBeUndefined()
      expect((await post(page, 'DescribeIpams')).status).toBe(401)
      await page.goto(`${origin}/pools`)
      await page.getByRole('link', { name: 'Sign in' }).waitFor()
    })
  })

  test('the server ends it, whatever the browser does with the cookie', async () => {
    await visit(async ({ context, page }) => {
      await signIn(page, 'ana')
      const cookie = await session(context)
      if (!cookie) throw new Error('no session')
      const value = opened(cookie.value)
      const replace = async (by: string) => context.addCookies([{ ...cookie, value: by, expires: Date.now() / 1000 + 86_400 }])
      await replace(sealed({ ...value, e: new Date(Date.now() + 30_000).toISOString() }))
      expect(await who(page)).toMatchObject({ Class: 'read' })
      await replace(sealed({ ...value, e: new Date(Date.now() - 1000).toISOString() }))
      expect(await who(page)).toBe(401)
      // An open page says so at its next call.
      await page.getByRole('link', { name: 'Pools', exact: true }).first().click()
      await page.getByText('You are signed out').waitFor()
    })
  })

  test('nobody can change it or make one', async () => {
    await visit(async ({ context, page }) => {
      await signIn(page, 'ana')
      const cookie = await session(context)
      if (!cookie) throw new Error('no session')
      const box = Buffer.from(cookie.value, 'base64url')
      for (const at of [0, 12, 20, box.length - 1]) {
        const bent = Buffer.from(box)
        bent[at] = (bent[at] ?? 0) ^ 1
        await context.addCookies([{ ...cookie, value: bent.toString('base64url') }])
        expect([at, await who(page)]).toEqual([at, 401])
      }
      await context.addCookies([{ ...cookie, value: sealed({ ...opened(cookie.value), c: 3 }, randomBytes(32)) }])
      expect(await who(page)).toBe(401)
      await context.addCookies([cookie])
      expect(await who(page)).toMatchObject({ Class: 'read' })
    })
  })
})

test('a request for another host is refused, in a page and by the function', async () => {
  const rebound = await launch([`--host-resolver-rules=MAP rebound.example ${address}`])
  try {
    const context = await rebound.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    const answer = await page.goto('https://rebound.example/')
    expect(answer?.status()).toBe(403)
  } finally {
    await rebound.close()
  }
  // The emulator's own HTTP API has another host name than the console.
  const answer = await until('the HTTP API', async () => fetch(need('CONSOLE_API')))
  expect([answer.status, ((await answer.json()) as { Code?: string }).Code]).toEqual([403, 'UnauthorizedOperation'])
})
