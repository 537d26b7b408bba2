// A plan has the calls of a form in order. A call may use the answers of earlier ones.
import { APIError, call, unreachable, type Input, type Operation } from '../api/call'

// Ref is a member of the answer of an earlier step: IpamPool.IpamPoolId, say.
export class Ref {
  constructor(readonly step: string, readonly path: string) {}
}

// WithRefs is an input that may have a Ref in place of a text.
export type WithRefs<T> = T extends string ? T | Ref : T extends readonly (infer E)[] ? WithRefs<E>[] : T extends object ? { [K in keyof T]: WithRefs<T[K]> } : T

export interface Step {
  id: string
  operation: Operation
  input: Readonly<Record<string, unknown>>
  // region is the Region that the caller acts for, if it is not the console's own.
  region?: string | undefined
  // after names earlier steps that must have ended, without a Ref to them.
  after?: readonly string[] | undefined
}

export type Plan = readonly Step[]

// step returns a step. Members without a value are left out.
export function step<O extends Operation>(id: string, operation: O, input: WithRefs<Input<O>>, more: Pick<Step, 'region' | 'after'> = {}): Step {
  const given = Object.entries(input as Record<string, unknown>).filter(([, value]) => value !== undefined)
  return { id, operation, input: Object.fromEntries(given), ...more }
}

// tokened are the operations with a ClientToken: a request that is repeated with its token happens once.
const tokened = new Set<Operation>(['AllocateIpamPoolCidr', 'AssociateIpamResourceDiscovery', 'CreateIpam', 'CreateIpamPool', 'CreateIpamResourceDiscovery', 'CreateIpamScope', 'ProvisionIpamPoolCidr'])

export function hasToken(operation: Operation): boolean {
  return tokened.has(operation)
}

// Answers are those of the steps that have ended, by the id of the step.
export type Answers = ReadonlyMap<string, unknown>

// resolved returns an input with the values of its Refs.
export function resolved(value: unknown, answers: Answers): unknown {
  if (value instanceof Ref) {
    let at: unknown = answers.get(value.step)
    for (const name of value.path.split('.')) at = (at as Record<string, unknown> | undefined)?.[name]
    if (typeof at !== 'string') throw new Error(`the answer of the step ${value.step} has no ${value.path}`)
    return at
  }
  if (Array.isArray(value)) return value.map(item => resolved(item, answers))
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item, answers)]))
  return value
}

// Failed is the end of a step that the API accepted and could not carry out.
export class Failed extends Error {
  override readonly name = 'Failed'
}

// unknown reports whether a request may have happened although its answer is an error.
export function unknown(error: unknown): boolean {
  if (!(error instanceof APIError)) return false
  if (error.code === 'RequestLimitExceeded' || error.code === 'Throttling') return false
  return error.code === unreachable || error.code === 'OutcomeUnknown' || error.status >= 500
}

export type StepState = 'open' | 'running' | 'waiting' | 'done' | 'failed'

// Run carries out the plan of one form. A run that is repeated goes on where it ended, and repeats a
// request whose outcome is unknown with its token.
export class Run {
  private readonly tokens = new Map<string, string>()
  private readonly called = new Map<string, unknown>()
  private readonly ended = new Set<string>()
  private readonly states = new Map<string, StepState>()

  constructor(
    private readonly newToken: () => string = randomToken,
    private readonly pause: (ms: number) => Promise<void> = ms => new Promise(done => setTimeout(done, ms)),
  ) {}

  get answers(): Answers {
    return this.called
  }

  state(step: string): StepState {
    return this.states.get(step) ?? 'open'
  }

  done(step: string): boolean {
    return this.ended.has(step)
  }

  get begun(): boolean {
    return this.called.size > 0
  }

  // go carries out the steps that have not ended. changed is called after each change of a state.
  async go(plan: Plan, changed: () => void): Promise<Answers> {
    const set = (step: Step, state: StepState) => {
      this.states.set(step.id, state)
      changed()
    }
    for (const step of plan) {
      if (this.ended.has(step.id)) continue
      try {
        if (!this.called.has(step.id)) {
          set(step, 'running')
          this.called.set(step.id, await this.request(step))
        }
        await this.settle(step, () => set(step, 'waiting'))
        this.ended.add(step.id)
        set(step, 'done')
      } catch (e) {
        if (e instanceof Failed) {
          this.called.delete(step.id)
          this.tokens.delete(step.id)
        }
        set(step, 'failed')
        throw e
      }
    }
    return this.called
  }

  private request(step: Step): Promise<unknown> {
    const input = resolved(step.input, this.called) as Record<string, unknown>
    if (hasToken(step.operation)) input['ClientToken'] = this.token(step.id)
    return call(step.operation, input as Input<Operation>, { region: step.region })
  }

  private token(step: string): string {
    const token = this.tokens.get(step) ?? this.newToken()
    this.tokens.set(step, token)
    return token
  }

  // settle waits until the object of an answer has left its pending state.
  private async settle(step: Step, waiting: () => void): Promise<void> {
    const [kind, object] = Object.entries((this.called.get(step.id) ?? {}) as Record<string, Stated | undefined>)[0] ?? []
    if (kind === undefined || object?.State === undefined) return
    let now: Stated | undefined = object
    for (let round = 0; now !== undefined; round++) {
      const state = now.State ?? ''
      if (state.includes('fail')) throw new Failed(now.FailureReason?.Message ?? now.StateMessage ?? state)
      if (!isPending(state)) break
      if (round === rounds) throw new Error(`${state}: ${now.FailureReason?.Message ?? now.StateMessage ?? ''}`)
      waiting()
      await this.pause(Math.min(500 * 1.3 ** round, 5000))
      now = await read(kind, now, step, this.called)
    }
    this.called.set(step.id, { [kind]: now ?? object })
  }
}

// rounds is how often a pending state is read again: about 15 minutes.
const rounds = 190

interface Stated {
  State?: string
  StateMessage?: string
  FailureReason?: { Message?: string }
  [member: string]: unknown
}

// isPending reports whether a state of EC2 goes over into another by itself.
export function isPending(state: string | undefined): boolean {
  return state !== undefined && (state.endsWith('-in-progress') || state.startsWith('pending-'))
}

// read returns an object as it is now, and undefined if it does not exist any more.
async function read(kind: string, object: Stated, step: Step, answers: Answers): Promise<Stated | undefined> {
  const one = async <O extends Operation>(operation: O, input: Input<O>, list: string, id: string) =>
    (((await call(operation, input)) as Record<string, Stated[] | undefined>)[list] ?? []).find(o => o[id] === object[id])
  const ids = (id: string) => [String(object[id])]
  try {
    switch (kind) {
      case 'Ipam': return await one('DescribeIpams', { IpamIds: ids('IpamId') }, 'Ipams', 'IpamId')
      case 'IpamScope': return await one('DescribeIpamScopes', { IpamScopeIds: ids('IpamScopeId') }, 'IpamScopes', 'IpamScopeId')
      case 'IpamPool': return await one('DescribeIpamPools', { IpamPoolIds: ids('IpamPoolId') }, 'IpamPools', 'IpamPoolId')
      case 'IpamPoolCidr': {
        const pool = resolved(step.input['IpamPoolId'], answers) as string
        return await one('GetIpamPoolCidrs', { IpamPoolId: pool, Filters: [{ Name: 'ipam-pool-cidr-id', Values: ids('IpamPoolCidrId') }] }, 'IpamPoolCidrs', 'IpamPoolCidrId')
      }
      default: return { ...object, State: '' }
    }
  } catch (e) {
    if (e instanceof APIError && e.code.endsWith('.NotFound')) return undefined
    throw e
  }
}

// randomToken returns a client token. A page that is not served by HTTPS has no randomUUID.
function randomToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `console-${Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('')}`
}

// hasRegion reports whether a pool's locale is a Region.
export function hasRegion(locale: string | undefined): boolean {
  return locale !== undefined && locale !== '' && locale !== 'None' && locale !== 'Global'
}
