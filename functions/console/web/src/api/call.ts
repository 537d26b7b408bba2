// The one way to the API: POST /v1/{Operation}, as any script calls it.
import type { operations } from './schema'

export type Operations = {
  [O in keyof operations]: {
    input: operations[O] extends { requestBody?: infer B } ? JSONOf<NonNullable<B>> : object
    output: operations[O] extends { responses: { 200: infer R } } ? JSONOf<R> : object
  }
}

type JSONOf<T> = T extends { content: { 'application/json': infer J } } ? J : object

export type Operation = keyof Operations
export type Input<O extends Operation> = Operations[O]['input']
export type Output<O extends Operation> = Operations[O]['output']

// header proves to the server that a page of its own sent the request: a page of another
// origin cannot send it.
export const header = 'X-Cadastre-Console'

// codes without an answer of the API.
export const unreachable = 'Console.Unreachable'
export const signedOut = 'Console.SignedOut'

// APIError is a refusal of the API, in its own words.
export class APIError extends Error {
  override readonly name = 'APIError'
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly requestId?: string,
  ) {
    super(message)
  }

  // permanent reports whether the same request gets the same answer.
  get permanent(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 429
  }
}

export interface Options {
  signal?: AbortSignal | undefined
  // region is the Region that the caller acts for, if it is not the console's own.
  region?: string | undefined
}

let onSignedOut: () => void = () => undefined

// whenSignedOut sets the function that runs when a call finds the session ended.
export function whenSignedOut(f: () => void): void {
  onSignedOut = f
}

// request sends a request to the console's server and returns its answer. It throws an
// APIError for any answer but 2xx.
export async function request(path: string, init: RequestInit): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(path, { ...init, credentials: 'same-origin', redirect: 'error', headers: { [header]: '1', ...(init.headers as Record<string, string>) } })
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e
    throw new APIError(unreachable, e instanceof Error ? e.message : String(e), 0)
  }
  if (answer.ok) return answer
  const text = await answer.text()
  throw errorOf(answer, text)
}

function errorOf(answer: Response, text: string): APIError {
  const id = answer.headers.get('X-Request-Id') ?? undefined
  if (answer.headers.get('X-Cadastre-Session') === 'none') return new APIError(signedOut, text, answer.status, id)
  try {
    const body = JSON.parse(text) as { Code?: unknown; Message?: unknown; message?: unknown; RequestId?: unknown } | null
    const code = typeof body?.Code === 'string' ? body.Code : (answer.headers.get('X-Cadastre-Error-Code') ?? undefined)
    const message = [body?.Message, body?.message].find(m => typeof m === 'string')
    // The API's own answers have a code. A 401 without one is of something between.
    if (code !== undefined) return new APIError(code, message ?? text, answer.status, typeof body?.RequestId === 'string' ? body.RequestId : id)
    if (answer.status !== 401 && message !== undefined) return new APIError(`HTTP ${answer.status}`, message, answer.status, id)
  } catch {
    // not JSON: an answer of something between
  }
  if (answer.status === 401) return new APIError(signedOut, text, 401, id)
  return new APIError(`HTTP ${answer.status}`, text.slice(0, 500) || answer.statusText, answer.status, id)
}

export async function call<O extends Operation>(operation: O, input: Input<O>, options: Options = {}): Promise<Output<O>> {
  const headers: Record<string, string> = { 'Content-Type': 'application/json', Accept: 'application/json' }
  if (options.region !== undefined) headers['X-Cadastre-Region'] = options.region
  try {
    const answer = await request(`/v1/${operation}`, { method: 'POST', headers, body: JSON.stringify(input), signal: options.signal ?? null })
    return (await answer.json()) as Output<O>
  } catch (e) {
    // Not in request: the session is read again then, by request, and would be without end.
    if (e instanceof APIError && e.code === signedOut) onSignedOut()
    throw e
  }
}
