// An OpenID Connect provider for tests: the package oidc-provider with a page to sign in. It
// can be told to issue ID tokens that a provider must not issue.
import { createHash, createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import Provider, { type Configuration, type KoaContextWithOIDC } from 'oidc-provider'

export interface Person {
  email: string
  email_verified?: boolean
  groups?: string[]
}

// Change changes an ID token before the provider's answer has it. Without a key the token is
// signed with the provider's own one; null is no signature.
export interface Change {
  claims?: Record<string, unknown>
  key?: KeyObject | null
}

export interface Running {
  issuer: string
  // requests are the parameters of the authorization requests.
  requests: URLSearchParams[]
  // exchanges are the answers of the token endpoint: the status, and the error's code.
  exchanges: { status: number; error: string | undefined; form: Record<string, unknown> }[]
  change: Change | undefined
  // hold keeps back the provider's answers to the console: the browser stays at the provider,
  // and held has their addresses.
  hold: boolean
  held: string[]
  close: () => Promise<void>
}

const scopes = ['openid', 'email', 'profile', 'groups']

const page = (body: string) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Identity provider</title></head><body><main><h1>Identity provider</h1>${body}</main></body></html>`

// start serves the provider at a port of the loopback. It knows one client.
export async function start(port: number, people: Record<string, Person>, client: { id: string; secret: string; callback: string }): Promise<Running> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const issuer = `http://127.0.0.1:${port}`
  const running: Running = { issuer, requests: [], exchanges: [], change: undefined, hold: false, held: [], close: () => Promise.resolve() }
  const configuration: Configuration = {
    clients: [{
      client_id: client.id, client_secret: client.secret, redirect_uris: [client.callback], grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic',
    }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }] },
    cookies: { keys: [createHash('sha256').update(issuer).digest('hex')] },
    scopes,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    conformIdTokenClaims: false, // the claims of the scopes are in the ID token
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    // Nobody is asked for consent.
    loadExistingGrant: async ctx => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client?.clientId ?? '', accountId: ctx.oidc.session?.accountId ?? '' })
      grant.addOIDCScope(scopes.join(' '))
      await grant.save()
      return grant
    },
  }
  const provider = new Provider(issuer, configuration)
  provider.use(async (ctx, next) => {
    if (ctx.path === '/auth') running.requests.push(new URLSearchParams(ctx.querystring))
    await next()
    const to = ctx.response.get('Location')
    if (running.hold && to.startsWith(client.callback)) {
      running.held.push(to)
      ctx.response.remove('Location')
      ctx.status = 200
      ctx.body = page('<p>The answer is kept back.</p>')
    }
    if (ctx.path !== '/token') return
    const body = ctx.body as { id_token?: string; error?: string }
    running.exchanges.push({ status: ctx.status, error: body.error, form: { ...(ctx as KoaContextWithOIDC).oidc.body } })
    if (body.id_token !== undefined && running.change) body.id_token = changed(body.id_token, running.change, privateKey)
  })
  const answer = provider.callback()
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', issuer)
    if (!url.pathname.startsWith('/interaction/')) return void answer(request, response)
    void (async () => {
      await provider.interactionDetails(request, response)
      const id = url.searchParams.get('as')
      if (request.method === 'POST' && id !== null && id in people) {
        await provider.interactionFinished(request, response, { login: { accountId: id } })
        return
      }
      const forms = Object.keys(people).map(name => `<form method="post" action="?as=${name}"><button>Sign in as ${name}</button></form>`)
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page(forms.join('')))
    })().catch((e: unknown) => response.writeHead(400).end(String(e)))
  })
  await new Promise<void>(done => server.listen(port, '127.0.0.1', done))
  running.close = () => new Promise(done => {
    server.close(() => done())
    server.closeAllConnections()
  })
  return running
}

// changed returns an ID token with other claims or another signature (RFC 7515, section 7.1).
function changed(token: string, { claims, key }: Change, own: KeyObject): string {
  const [head = '', body = ''] = token.split('.')
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
  const write = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = key === null ? { alg: 'none' } : read(head)
  const signed = `${write(header)}.${write({ ...read(body), ...claims })}`
  if (key === null) return `${signed}.`
  return `${signed}.${sign('sha256', Buffer.from(signed), createPrivateKey((key ?? own).export({ format: 'pem', type: 'pkcs8' }))).toString('base64url')}`
}
