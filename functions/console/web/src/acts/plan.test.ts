import { beforeEach, describe, expect, test } from 'vitest'
import { Refusal, type Mock } from '../../mock/answer'
import { pools } from '../../mock/data'
import { mockOf } from '../../mock/server'
import { stubFetch } from '../../test/render'
import { wizardPlan, noRules } from '../pages/create/plans'
import { Failed, Ref, resolved, Run, step, unknown } from './plan'

let mock: Mock
const runOf = () => { let n = 0; return new Run(() => `token-${++n}`, () => Promise.resolve()) }
const ignore = () => undefined
const begin = (options = {}) => { mock = mockOf(options); stubFetch(mock) }
const writes = () => mock.calls.filter(c => !/^(Get|Describe|Search)/.test(c.operation))
const allocate = [step('a', 'AllocateIpamPoolCidr', { IpamPoolId: pools.osakaProd, NetmaskLength: 24 })]
beforeEach(() => begin())

test('members without a value are left out', () => {
  expect(step('a', 'AllocateIpamPoolCidr', { IpamPoolId: 'p', Cidr: undefined, NetmaskLength: 24 }).input).toEqual({ IpamPoolId: 'p', NetmaskLength: 24 })
})

test('a Ref is the value of an earlier answer', () => {
  expect(resolved({ a: [new Ref('s', 'X.Y')] }, new Map([['s', { X: { Y: 'z' } }]]))).toEqual({ a: ['z'] })
  expect(() => resolved(new Ref('s', 'X.Y'), new Map())).toThrow('the step s has no X.Y')
})

test('the whole plan of the wizard', async () => {
  begin({ empty: true })
  const plan = wizardPlan({ scope: undefined, ipam: { name: 'corp', description: '', regions: ['ap-northeast-1', 'us-east-1'] }, family: 'ipv4', top: { name: 'top', cidr: '10.0.0.0/8' }, regions: [{ region: 'us-east-1', name: 'us', length: 12 }], rules: noRules })
  const run = runOf()
  const seen = new Set<string>()
  await run.go(plan, () => plan.forEach(s => seen.add(`${s.id} ${run.state(s.id)}`)))
  expect(writes().map(c => c.operation)).toEqual(['CreateIpam', 'CreateIpamPool', 'ProvisionIpamPoolCidr', 'CreateIpamPool', 'ProvisionIpamPoolCidr'])
  expect(mock.data.pools.map(p => [p.Tags?.[0]?.Value, p.Locale, p.SourceIpamPoolId])).toEqual([['top', 'None', undefined], ['us', 'us-east-1', mock.data.pools[0]?.IpamPoolId]])
  expect(Object.values(mock.data.cidrs).map(c => c[0]?.Cidr)).toEqual(['10.0.0.0/8', '10.0.0.0/12'])
  // The answer of a provision is pending; the run waits for the end.
  expect([...seen]).toContain('top-cidr waiting')
  expect((run.answers.get('top-cidr') as { IpamPoolCidr: { State: string } }).IpamPoolCidr.State).toBe('provisioned')
})

describe('a lost answer', () => {
  test('the repeated request has the same token and happens once', async () => {
    mock.lost.set('AllocateIpamPoolCidr', new Refusal('Unavailable', 'No answer.', 503))
    const run = runOf()
    const before = mock.data.allocations[pools.osakaProd]?.length ?? 0
    await expect(run.go(allocate, ignore)).rejects.toSatisfy(unknown)
    await run.go(allocate, ignore)
    expect(writes().map(c => c.input['ClientToken'])).toEqual(['token-1', 'token-1'])
    expect(mock.data.allocations[pools.osakaProd]).toHaveLength(before + 1)
  })
  test('two forms have two tokens', async () => {
    await new Run().go(allocate, ignore)
    await new Run().go(allocate, ignore)
    const tokens = writes().map(c => String(c.input['ClientToken']))
    expect(new Set(tokens).size).toBe(2)
    for (const token of tokens) expect(token).toMatch(/^[\x20-\x7e]{16,64}$/)
  })
})

describe('a refusal in the middle', () => {
  test('the run goes on where it ended, with the corrected rest', async () => {
    const plan = (locale: string) => [
      step('pool', 'CreateIpamPool', { IpamScopeId: mock.data.scopes[0]?.IpamScopeId ?? '', AddressFamily: 'ipv4' }),
      step('below', 'CreateIpamPool', { IpamScopeId: mock.data.scopes[0]?.IpamScopeId ?? '', AddressFamily: 'ipv4', SourceIpamPoolId: new Ref('pool', 'IpamPool.IpamPoolId'), Locale: locale }),
    ]
    const run = runOf()
    await expect(run.go(plan('mars-north-1'), ignore)).rejects.toThrow('no operating Region')
    expect([run.state('pool'), run.state('below'), run.done('pool'), run.begun]).toEqual(['done', 'failed', true, true])
    await run.go(plan('us-east-1'), ignore)
    expect(writes().map(c => c.input['ClientToken'])).toEqual(['token-1', 'token-2', 'token-2'])
    expect(mock.data.pools.slice(-2).map(p => p.Locale)).toEqual(['None', 'us-east-1'])
  })
})

describe('pending states', () => {
  test('a failure after the answer is the reason that the API gives, and a further try is a new request', async () => {
    const run = runOf()
    const plan = [step('cidr', 'DeprovisionIpamPoolCidr', { IpamPoolId: pools.osakaProd, Cidr: '10.1.0.0/16' })]
    await expect(run.go(plan, ignore)).rejects.toThrow(new Failed('The CIDR has one or more allocations: 10.1.0.0/24 and 3 more. Release them first.'))
    mock.data.allocations[pools.osakaProd] = []
    await run.go(plan, ignore)
    expect(writes()).toHaveLength(2)
    expect(run.done('cidr')).toBe(true)
  })
  test('what failed after its answer is asked for anew: the old token would give the old failure', async () => {
    const failure = { Code: 'cidr-not-available' as const, Message: 'It is taken.' }
    begin({ handlers: { GetIpamPoolCidrs: (i: { Filters?: { Values?: string[] }[] }) => ({ IpamPoolCidrs: [{ IpamPoolCidrId: i.Filters?.[0]?.Values?.[0], State: 'failed-provision' as const, FailureReason: failure }] }) } })
    const run = runOf()
    const plan = [step('cidr', 'ProvisionIpamPoolCidr', { IpamPoolId: pools.osakaDev, Cidr: '10.2.0.0/16' })]
    await expect(run.go(plan, ignore)).rejects.toThrow(new Failed('It is taken.'))
    mock.data.allocations[pools.osaka] = []
    await expect(run.go(plan, ignore)).rejects.toThrow(Failed)
    expect(writes().map(c => c.input['ClientToken'])).toEqual(['token-1', 'token-2'])
  })
  test('an object that is gone is deleted', async () => {
    const run = runOf()
    await run.go([step('pool', 'DeleteIpamPool', { IpamPoolId: pools.osaka, Cascade: true })], ignore)
    expect(mock.data.pools.map(p => p.IpamPoolId)).not.toContain(pools.osakaProd)
  })
  test('the rounds have an end', async () => {
    begin({ handlers: { GetIpamPoolCidrs: (i: { Filters?: { Values?: string[] }[] }) => ({ IpamPoolCidrs: [{ IpamPoolCidrId: i.Filters?.[0]?.Values?.[0], State: 'pending-provision' as const }] }) } })
    const run = runOf()
    const plan = [step('cidr', 'ProvisionIpamPoolCidr', { IpamPoolId: pools.top, Cidr: '172.16.0.0/12' })]
    await expect(run.go(plan, ignore)).rejects.toThrow('pending-provision')
    expect(writes()).toHaveLength(1)
    mock.calls.length = 0
    await expect(run.go(plan, ignore)).rejects.toThrow('pending-provision')
    expect(writes()).toHaveLength(0)
  })
})
