// An API in memory for tests and development. It answers reads from typed data, and keeps
// changes until it ends. It checks less than the API does: localstack/e2e tests the API
// itself.
import type { Input, Operation, Output } from '../src/api/call'
import { data, type Data } from './data'

export interface Answer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

export type Call = (operation: string, input: Record<string, unknown>) => Answer

export type Handlers = { [O in Operation]?: (input: Input<O>, data: Data) => Output<O> }

// Refusal is an error that the mock answers as the API does.
export class Refusal extends Error {
  constructor(readonly code: string, message: string, readonly status = 400) {
    super(message)
  }
}

export interface Options {
  class?: 'read' | 'allocate' | 'administer'
  hosted?: boolean
  empty?: boolean // no IPAM yet
  // handlers replace those of the mock.
  handlers?: Handlers
}

export interface Mock {
  data: Data
  calls: { operation: string; input: Record<string, unknown> }[]
  sessions: number // how often the session was asked for
  signedOut: boolean
  // failures maps an operation to the refusal that it answers.
  failures: Map<string, Refusal>
  // lost maps an operation to the error that stands for its next answer, after the change has happened.
  lost: Map<string, Refusal>
  call: Call
  session: () => Answer
}

// noSession is the console's answer to a request without a session.
const noSession: Answer = {
  status: 401, body: { Code: 'AuthFailure', Message: 'There is no session, or it has ended. Sign in again.' }, headers: { 'X-Cadastre-Error-Code': 'AuthFailure', 'X-Cadastre-Session': 'none' },
}

const reads = /^(Describe|Get|Search)/

export function classOf(operation: string): 'read' | 'allocate' | 'administer' {
  if (operation === 'GetAccessGrants') return 'administer'
  if (reads.test(operation)) return 'read'
  return /^(AllocateIpamPoolCidr|ReleaseIpamPoolAllocation|ModifyIpamPoolAllocation|CreateVpc|CreateSubnet|AssociateVpcCidrBlock|DisassociateVpcCidrBlock)$/.test(operation) ? 'allocate' : 'administer'
}

// acts are the operations that change something.
export const acts = [
  'AllocateIpamPoolCidr', 'AssociateIpamResourceDiscovery', 'AssociateVpcCidrBlock', 'CreateIpam', 'CreateIpamPool', 'CreateIpamResourceDiscovery', 'CreateIpamScope', 'CreateSubnet', 'CreateTags', 'CreateVpc', 'DeleteIpam',
  'DeleteIpamDiscoveredAccount', 'DeleteIpamPool', 'DeleteIpamPoolShare', 'DeleteIpamResourceDiscovery', 'DeleteIpamScope', 'DeleteTags', 'DeprovisionIpamPoolCidr', 'DisassociateIpamResourceDiscovery', 'DisassociateVpcCidrBlock', 'ModifyIpam',
  'ModifyIpamPool', 'ModifyIpamPoolAllocation', 'ModifyIpamResourceCidr', 'ModifyIpamResourceDiscovery', 'ModifyIpamScope', 'ProvisionIpamPoolCidr', 'PutAccessGrants', 'PutIpamPoolShare', 'ReleaseIpamPoolAllocation',
] as const satisfies readonly Operation[]

const rank = { read: 0, allocate: 1, administer: 2 }

export function createMock(handlers: Handlers, options: Options = {}): Mock {
  const mock: Mock = {
    data: data(options),
    calls: [],
    sessions: 0,
    signedOut: false,
    failures: new Map(),
    lost: new Map(),
    call: (operation, input) => {
      mock.calls.push({ operation, input })
      if (mock.signedOut) return noSession
      try {
        const failure = mock.failures.get(operation)
        if (failure) throw failure
        const all = { ...handlers, ...options.handlers } as Record<string, ((input: unknown, data: Data) => unknown) | undefined>
        const handler = all[operation]
        if (!handler) throw new Refusal('InvalidAction', `The action ${operation} is not valid for this endpoint.`)
        if (rank[classOf(operation)] > rank[options.class ?? 'administer']) {
          throw new Refusal('UnauthorizedOperation', `You are not authorized to perform ${operation}. It needs the class ${classOf(operation)}.`, 403)
        }
        const answer = handler(input, mock.data)
        const lost = mock.lost.get(operation)
        mock.lost.delete(operation)
        if (lost) throw lost
        return { status: 200, body: pageOf(operation, answer as Record<string, unknown>, input) }
      } catch (e) {
        if (!(e instanceof Refusal)) throw e
        return { status: e.status, body: { Code: e.code, Message: e.message, RequestId: '00000000-0000-4000-8000-000000000000' }, headers: { 'X-Cadastre-Error-Code': e.code } }
      }
    },
    session: () => (mock.sessions++, mock.signedOut) ? noSession : {
      status: 200,
      body: {
        Name: 'arn:aws:sts::111122223333:assumed-role/NetworkAdmin/operator', Account: '111122223333', Class: options.class ?? 'administer', Region: 'ap-northeast-1',
        Endpoint: 'https://api.example', Hosted: options.hosted ?? false, ...(options.hosted === true ? { Expires: '2026-11-30T09:00:00Z' } : {}),
      },
    },
  }
  return mock
}

// pageOf filters and cuts the one list of an answer, as the API does.
function pageOf(operation: string, answer: Record<string, unknown>, input: Record<string, unknown>): Record<string, unknown> {
  const lists = Object.entries(answer).filter((e): e is [string, Record<string, unknown>[]] => Array.isArray(e[1]))
  const list = lists[0]
  if (lists.length !== 1 || !list) return answer
  const [name, all] = list
  const admitted = all.filter(item => filtersOf(input).every(f => matches(item, f)))
  const ids = Object.keys(input).find(member => member.endsWith('Ids'))
  if (ids !== undefined && input['MaxResults'] !== undefined) throw new Refusal('InvalidParameterCombination', `The parameter ${ids} may not be used in combination with MaxResults. Leave MaxResults out: the answer has all objects with these ids.`)
  const size = typeof input['MaxResults'] === 'number' ? input['MaxResults'] : 1000
  const [least, greatest] = operation.endsWith('PoolAllocations') ? [1000, 100_000] : [operation === 'GetIpamAddressHistory' ? 1 : 5, 1000]
  if (size < least || size > greatest) throw new Refusal('InvalidMaxResults', `Value (${size}) for parameter MaxResults is invalid. Use ${least} to ${greatest}.`)
  const from = typeof input['NextToken'] === 'string' ? Number(input['NextToken']) : 0
  const next = from + size
  return { ...answer, [name]: admitted.slice(from, next), ...(next < admitted.length ? { NextToken: String(next) } : {}) }
}

interface Filter { Name?: string; Values?: string[] }

function filtersOf(input: Record<string, unknown>): Filter[] {
  return Array.isArray(input['Filters']) ? (input['Filters'] as Filter[]) : []
}

function matches(item: Record<string, unknown>, filter: Filter): boolean {
  const member = (filter.Name ?? '').split('-').map(w => w.charAt(0).toUpperCase() + w.slice(1)).join('')
  if (filter.Name?.startsWith('tag:') === true) {
    const key = filter.Name.slice(4)
    const tags = (item['Tags'] ?? item['ResourceTags'] ?? []) as { Key: string; Value: string }[]
    return tags.some(t => t.Key === key && (filter.Values ?? []).some(v => pattern(v).test(t.Value)))
  }
  const value = item[member]
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return false
  return (filter.Values ?? []).some(v => pattern(v).test(String(value)))
}

function pattern(text: string): RegExp {
  let expression = ''
  for (let i = 0; i < text.length; i++) {
    const c = text.charAt(i)
    if (c === '\\') expression += quote(text.charAt(++i))
    else expression += c === '*' ? '.*' : c === '?' ? '.' : quote(c)
  }
  return new RegExp(`^${expression}$`, 's')
}

function quote(c: string): string {
  return c.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
