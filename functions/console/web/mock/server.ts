// A web server for the built pages and the mock, with the headers of the console's servers.
import { readFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { acts, classOf, createMock, type Mock, type Options } from './answer'
import { handlers } from './handlers'

export const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

const types: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json', '.woff2': 'font/woff2' }

const rank = { read: 0, allocate: 1, administer: 2 }

// mockOf returns a mock with all handlers. It refuses the operations that the caller's class does not admit.
export function mockOf(options: Options = {}): Mock {
  const all = { ...handlers, ...options.handlers }
  const own = options.class ?? 'administer'
  return createMock({
    ...handlers,
    GetCallerAccess: () => ({
      CallerAccess: {
        AccountId: '111122223333', PrincipalArn: 'arn:aws:sts::111122223333:assumed-role/NetworkAdmin/operator', OrganizationId: 'o-a1b2c3d4e5', Class: own, OwnerAccountId: '111122223333', IsOwner: true, HomeRegion: 'ap-northeast-1',
        Operations: [...new Set([...Object.keys(all), ...acts])].filter(o => rank[classOf(o)] <= rank[own]).sort(),
        Quotas: { Ipams: 1, ScopesPerIpam: 5, PoolsPerScope: 50, PoolDepth: 10, CidrsPerPool: 50, SharesPerPool: 50, TagsPerObject: 50, ResourceDiscoveries: 1, AssociationsPerIpam: 5, PrefixListResolversPerIpam: 10, RulesPerPrefixListResolver: 100, EntriesPerPrefixListResolverVersion: 1000 },
      },
    }),
  }, options)
}

export interface Served {
  url: string
  mock: Mock
  close: () => Promise<void>
}

// serve answers the files of a folder and the mock's API on a free port of the loopback.
export async function serve(mock: Mock, folder: string, { port = 0, delay = 0 } = {}): Promise<Served> {
  const server: Server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1')
      if (url.pathname === '/session') return answer(response, mock.session())
      if (url.pathname === '/logout' && request.method === 'POST') {
        mock.signedOut = true
        return answer(response, { status: 200, body: {} })
      }
      if (url.pathname.startsWith('/v1/') && request.method === 'POST') {
        if (request.headers['x-cadastre-console'] !== '1') return answer(response, { status: 403, body: {} })
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        if (delay > 0) await new Promise(done => setTimeout(done, delay))
        return answer(response, mock.call(url.pathname.slice(4), JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>))
      }
      await file(response, folder, url.pathname)
    })().catch((e: unknown) => {
      console.error(e)
      response.writeHead(500).end()
    })
  })
  await new Promise<void>(done => server.listen(port, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    mock,
    close: () => new Promise(done => {
      server.close(() => done())
      server.closeAllConnections()
    }),
  }
}

function answer(response: ServerResponse, { status, body, headers }: { status: number; body: unknown; headers?: Record<string, string> }): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers }).end(JSON.stringify(body))
}

async function file(response: ServerResponse, folder: string, path: string): Promise<void> {
  const wanted = normalize(path).replace(/^(\.\.[/\\])+/, '')
  const headers = { 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' }
  if (extname(wanted) !== '') {
    try {
      const body = await readFile(join(folder, wanted))
      response.writeHead(200, { ...headers, 'Content-Type': types[extname(wanted)] ?? 'application/octet-stream' }).end(body)
    } catch {
      response.writeHead(404, headers).end()
    }
    return
  }
  // All other paths are pages.
  response.writeHead(200, { ...headers, 'Content-Type': types['.html'] }).end(await readFile(join(folder, 'index.html')))
}
