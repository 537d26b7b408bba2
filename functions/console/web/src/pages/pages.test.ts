import { describe, expect, test } from 'vitest'
import { type HistoryRecord, type Pool, type Resource } from '../data'
import { pairsOf } from './pairs'
import { rules, sentences } from './pool/rules'
import { rowsOf } from './pool/space'
import { forecastLine } from './pool/utilisation'
import { barsOf } from './timeline'

const resource = (ResourceId: string, ResourceCidr: string): Resource => ({ ResourceId, ResourceCidr })

describe('pairs', () => {
  const text = (...rows: Resource[]) => pairsOf(rows).pairs.map(p => `${p.a.ResourceId}/${p.b.ResourceId} ${p.part}${p.same ? ' same' : ''}`)
  test('equal CIDRs', () => expect(text(resource('b', '10.0.0.0/24'), resource('a', '10.0.0.0/24'))).toEqual(['a/b 10.0.0.0/24 same']))
  test('one inside the other, container first', () => expect(text(resource('in', '10.0.0.0/20'), resource('out', '10.0.0.0/16'))).toEqual(['out/in 10.0.0.0/20']))
  test('neighbours have nothing in common', () => expect(text(resource('a', '10.0.0.0/25'), resource('b', '10.0.0.128/25'))).toEqual([]))
  test('two CIDRs of one resource are no pair', () => expect(text(resource('a', '10.0.0.0/16'), resource('a', '10.0.0.0/20'))).toEqual([]))
  test('families', () => expect(text(resource('a', '0.0.0.0/0'), resource('b', '::/0'))).toEqual([]))
  test('three nested make three pairs', () => expect(text(resource('a', '10.0.0.0/8'), resource('b', '10.0.0.0/16'), resource('c', '10.0.0.0/24'), resource('d', '11.0.0.0/24'))).toEqual(['a/b 10.0.0.0/16', 'a/c 10.0.0.0/24', 'b/c 10.0.0.0/24']))
  test('the limit tells that there are more', () => {
    const rows = Array.from({ length: 20 }, (_, i) => resource(`r${i}`, '10.0.0.0/24'))
    expect(pairsOf(rows, 50)).toMatchObject({ more: true, pairs: { length: 50 } })
    expect(pairsOf(rows, 190)).toMatchObject({ more: false, pairs: { length: 190 } })
  })
})

describe('rules', () => {
  const base: Pool = { AddressFamily: 'ipv4', Locale: 'None', AutoImport: false }
  const say = (p: Partial<Pool>) => sentences({ ...base, ...p }, rules.en)
  test('no rules', () => expect(say({})).toEqual([rules.en.free, rules.en.noLocale, rules.en.importNo]))
  test('a range with a default, tags, locale and import', () => {
    expect(say({ AllocationMinNetmaskLength: 20, AllocationMaxNetmaskLength: 28, AllocationDefaultNetmaskLength: 24, AllocationResourceTags: [{ Key: 'environment', Value: 'prod' }], Locale: 'ap-northeast-3', AutoImport: true })).toEqual([
      'An allocation has a length from /20 (largest) to /28 (smallest).', 'A request without a length gets /24.', 'A resource must have the tags environment=prod.',
      'Only resources in ap-northeast-3 get space, because the pool has this locale.', rules.en.importYes,
    ])
  })
  test('one length', () => expect(say({ AllocationMinNetmaskLength: 24, AllocationMaxNetmaskLength: 24 })[0]).toBe('Each allocation has the length /24.'))
  test('length 0 is a rule', () => expect(say({ AllocationMinNetmaskLength: 0 })[0]).toBe('No allocation is larger than /0.'))
  test('a planning pool and advertisement', () => {
    const said = say({ SourceResource: { ResourceId: 'vpc-1' }, IpamScopeType: 'public', PubliclyAdvertisable: false })
    expect(said).toContain('This is a resource planning pool: it gives subnets of vpc-1 their CIDRs.')
    expect(said).toContain(rules.en.notAdvertisable)
    expect(said).not.toContain(rules.en.noLocale)
  })
})

test('the rows of a pool leave out the contents of child pools', () => {
  const rows = rowsOf('p', { Blocks: [
    { Cidr: '10.0.0.0/16', State: 'pool', ChildIpamPoolId: 'p', IpamPoolId: 'above' }, { Cidr: '10.0.0.0/20', State: 'pool', ChildIpamPoolId: 'c', IpamPoolId: 'p' },
    { Cidr: '10.0.0.0/24', State: 'allocated', IpamPoolId: 'c' }, { Cidr: '10.0.16.0/20', State: 'free', IpamPoolId: 'p' }, { Cidr: '10.0.32.0/24', State: 'held', IpamPoolId: 'p' },
  ] })
  expect(rows.map(r => `${r.kind} ${r.block.Cidr}`)).toEqual(['root 10.0.0.0/16', 'pool 10.0.0.0/20', 'free 10.0.16.0/20', 'held 10.0.32.0/24'])
})

test('the forecast is a line from the newest sample to a full pool', () => {
  const samples = [{ Time: '2026-11-01T00:00:00Z', PercentAllocated: 10 }, { Time: '2026-11-30T00:00:00Z', PercentAllocated: 20, PercentAssigned: 30 }]
  expect(forecastLine(samples, { Outcome: 'exhaustion', Expected: '2027-01-01T00:00:00Z' })).toEqual([{ x: new Date('2026-11-30T00:00:00Z'), y: 50 }, { x: new Date('2027-01-01T00:00:00Z'), y: 100 }])
  expect(forecastLine(samples, { Outcome: 'not-growing' })).toEqual([])
  expect(forecastLine([], { Outcome: 'exhaustion', Expected: '2027-01-01T00:00:00Z' })).toEqual([])
})

test('the bars of a time line', () => {
  const now = Date.parse('2026-11-11T00:00:00Z')
  const records: HistoryRecord[] = [
    { ResourceId: 'b', SampledStartTime: '2026-11-06T00:00:00Z' },
    { ResourceId: 'a', ResourceName: 'first', SampledStartTime: '2026-11-01T00:00:00Z', SampledEndTime: '2026-11-06T00:00:00Z' },
  ]
  const { rows } = barsOf(records, now)
  expect(rows.map(r => [r.id, r.name, r.bars.map(b => [b.from, b.to])])).toEqual([['a', 'first', [[0, 0.5]]], ['b', undefined, [[0.5, 1]]]])
})
