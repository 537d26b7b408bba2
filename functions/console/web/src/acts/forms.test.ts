import { describe, expect, test } from 'vitest'
import { parseCidr } from '../cidr'
import { type Pool } from '../data'
import { fits, noRules, partOf, ruleFault, wizardPlan } from '../pages/create/plans'
import { rowsOf } from '../pages/pool/space'
import { below, ipamChange, poolChange } from './changes'
import { nearest, neighbours } from './neighbours'
import { isRegion } from './regions'
import { cidrFault, firstLength, hostsOf, lengthsOf, named, principalFault, tagChange, tagFaults, windowOf } from './values'

describe('lengths', () => {
  const pool: Pool = { AddressFamily: 'ipv4' }
  test('from the widest CIDR of the pool to one address', () => expect(lengthsOf(pool, ['10.0.0.0/16', '10.8.0.0/14']).map(String)).toEqual(Array.from({ length: 19 }, (_, i) => String(14 + i))))
  test('rules narrow them', () => expect(lengthsOf({ ...pool, AllocationMinNetmaskLength: 20, AllocationMaxNetmaskLength: 22 }, ['10.0.0.0/16'])).toEqual([20, 21, 22]))
  test('a rule beyond the pool leaves none', () => expect(lengthsOf({ ...pool, AllocationMaxNetmaskLength: 8 }, ['10.0.0.0/16'])).toEqual([]))
  test('the default comes first, then the usual one', () => {
    expect(firstLength({ AllocationDefaultNetmaskLength: 26 }, [24, 25, 26])).toBe(26)
    expect(firstLength({}, [20, 24])).toBe(24)
    expect(firstLength({ AddressFamily: 'ipv6' }, [48, 56])).toBe(56)
    expect(firstLength({}, [28, 29, 30, 31, 32])).toBe(32)
    expect(firstLength({}, [])).toBeUndefined()
  })
  test('EC2 keeps five addresses of a subnet', () => expect([hostsOf('ipv4', 24), hostsOf('ipv4', 28), hostsOf('ipv4', 29), hostsOf('ipv4', 15), hostsOf('ipv6', 64)]).toEqual([251, 11, undefined, undefined, undefined]))
})

test.each([
  ['', 'ipv4', { kind: 'empty' }], ['10.0.0.0', 'ipv4', { kind: 'form' }], ['10.0.0.0/33', 'ipv4', { kind: 'form' }], ['10.0.0.0/16', 'ipv6', { kind: 'family' }], ['fd80::/48', 'ipv4', { kind: 'family' }],
  ['10.0.0.1/24', 'ipv4', { kind: 'host', canonical: '10.0.0.0/24' }], [' 10.0.0.0/24 ', 'ipv4', undefined], ['FD80:0::/48', 'ipv6', undefined],
] as const)('the CIDR %j of %s', (text, family, want) => expect(cidrFault(text, family)).toEqual(want))

test.each(['444455556666', 'ou-f6g7-h8i9j0k1', 'o-a1b2c3d4e5', 'arn:aws:organizations::111122223333:ou/o-a1b2c3d4e5/ou-f6g7-h8i9j0k1', 'arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5'])('%s is a principal', p => expect(principalFault(p)).toBe(false))
test.each(['', '44445555666', 'r-ab12', 'arn:aws:iam::111122223333:root'])('%j is none', p => expect(principalFault(p)).toBe(true))
test.each([['ap-northeast-1', true], ['us-gov-west-1', true], ['us-east', false], ['us-east-1a', false], ['', false]] as const)('%j is a Region: %s', (name, want) => expect(isRegion(name)).toBe(want))

describe('tags', () => {
  const tag = (Key: string, Value = '') => ({ Key, Value })
  test('faults', () => expect(tagFaults([tag('a'), tag(' '), tag('a'), tag('aws:x'), tag('Cadastre:y')])).toEqual([undefined, 'empty', 'twice', 'reserved', 'reserved']))
  test('changes', () => expect(tagChange([tag('a', '1'), tag('b', '1'), tag('c', '1')], [tag('a', '1'), tag('b', '2'), tag('d')])).toEqual({ set: [tag('b', '2'), tag('d')], remove: [tag('c', '1')] }))
  test('a name becomes the tag Name', () => expect(named(' x ', [tag('Name', 'y'), tag('a')])).toEqual([tag('Name', 'x'), tag('a')]))
})

describe('changes', () => {
  const pool: Pool = { AddressFamily: 'ipv4', Description: 'a', AllocationMinNetmaskLength: 20, AllocationMaxNetmaskLength: 28, AllocationDefaultNetmaskLength: 24, AllocationResourceTags: [{ Key: 'env', Value: 'prod' }], AutoImport: true }
  const same = { description: 'a', rules: { min: 20, max: 28, standard: 24, tags: [{ Key: 'env', Value: 'prod' }], autoImport: true } }
  const given = (o: object | undefined) => o && Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined))
  test('nothing', () => expect(poolChange(pool, same)).toBeUndefined())
  test('a limit that goes becomes the widest, a default is cleared', () => expect(given(poolChange(pool, { description: '', rules: noRules }))).toEqual({ Description: '', AllocationMinNetmaskLength: 0, AllocationMaxNetmaskLength: 32, ClearAllocationDefaultNetmaskLength: true, RemoveAllocationResourceTags: [{ Key: 'env', Value: 'prod' }], AutoImport: false }))
  test('a tag with another value', () => expect(given(poolChange(pool, { ...same, rules: { ...same.rules, tags: [{ Key: 'env', Value: 'dev' }] } }))).toEqual({ AddAllocationResourceTags: [{ Key: 'env', Value: 'dev' }], RemoveAllocationResourceTags: [{ Key: 'env', Value: 'prod' }] }))
  test('Regions of an IPAM', () => {
    const ipam = { Description: 'a', OperatingRegions: [{ RegionName: 'a' }, { RegionName: 'b' }] }
    expect(given(ipamChange(ipam, { description: 'a', regions: ['b', 'c'] }))).toEqual({ AddOperatingRegions: [{ RegionName: 'c' }], RemoveOperatingRegions: [{ RegionName: 'a' }] })
    expect(ipamChange(ipam, { description: ' a ', regions: ['b', 'a'] })).toBeUndefined()
  })
  test('all levels below a pool', () => {
    const pools: Pool[] = [{ IpamPoolId: 'a' }, { IpamPoolId: 'b', SourceIpamPoolId: 'a' }, { IpamPoolId: 'c', SourceIpamPoolId: 'b' }, { IpamPoolId: 'd', SourceIpamPoolId: 'x' }]
    expect(below(pools, 'a').map(p => p.IpamPoolId)).toEqual(['b', 'c'])
  })
})

describe('the wizard', () => {
  const wish = { scope: undefined, ipam: { name: '', description: '', regions: ['r-1'] }, family: 'ipv4' as const, top: { name: 't', cidr: '10.0.0.0/8' }, regions: [], rules: { ...noRules, standard: 24 } }
  test('without Regions the rules are those of the top-level pool', () => expect(wizardPlan(wish)[1]?.input['AllocationDefaultNetmaskLength']).toBe(24))
  test('with Regions they are those of the regional pools', () => {
    const plan = wizardPlan({ ...wish, regions: [{ region: 'r-1', name: 'r', length: 12 }] })
    expect(plan.map(s => [s.id, s.input['AllocationDefaultNetmaskLength']])).toEqual([['ipam', undefined], ['top', undefined], ['top-cidr', undefined], ['pool-r-1', 24], ['pool-r-1-cidr', undefined]])
  })
  test('with a scope there is no new IPAM', () => expect(wizardPlan({ ...wish, scope: 's' }).map(s => s.operation)).toEqual(['CreateIpamPool', 'ProvisionIpamPoolCidr']))
  test.each([[8, 1, 10], [8, 3, 11], [8, 4, 11], [8, 17, 14], [31, 9, 32]])('/%i for %i Regions has parts of /%i', (length, n, want) => {
    expect(partOf(length, n, 32)).toBe(want)
    if (want < 32) expect(fits(length, Array<number>(n).fill(want))).toBe(true)
  })
  test('parts beyond the whole', () => expect([fits(8, [9, 9]), fits(8, [9, 9, 32]), fits(8, [8])]).toEqual([true, false, true]))
  test('rules', () => expect([ruleFault({ ...noRules, min: 24, max: 20 }), ruleFault({ ...noRules, min: 20, max: 24, standard: 25 }), ruleFault({ ...noRules, standard: 8, min: 9 }), ruleFault({ ...noRules, min: 24, max: 24, standard: 24 })]).toEqual(['order', 'between', 'between', undefined]))
})

describe('neighbours', () => {
  const cidr = (text: string) => { const c = parseCidr(text); if (!c) throw new Error(text); return c }
  const rows = rowsOf('p', { Blocks: [
    { Cidr: '10.0.0.0/16', State: 'pool', ChildIpamPoolId: 'p' }, { Cidr: '10.0.0.0/24', State: 'allocated', IpamPoolId: 'p' }, { Cidr: '10.0.1.0/24', State: 'free', IpamPoolId: 'p' }, { Cidr: '10.0.2.0/23', State: 'free', IpamPoolId: 'p' }, { Cidr: '10.0.4.0/22', State: 'held', IpamPoolId: 'p' },
  ] })
  const say = (text: string, window: string) => { const { all, clash } = neighbours(rows, cidr(text), cidr(window)); return [all.map(b => `${b.kind} ${b.text}`), clash?.block.Cidr] }
  test('in the middle of free space', () => expect(say('10.0.2.128/26', '10.0.0.0/21')).toEqual([['taken 10.0.0.0/24', 'free 10.0.1.0/24', 'free 10.0.2.0/25', 'new 10.0.2.128/26', 'free 10.0.2.192/26', 'free 10.0.3.0/24', 'taken 10.0.4.0/22'], undefined]))
  test('a whole free block', () => expect(say('10.0.2.0/23', '10.0.0.0/21')[0]).toEqual(['taken 10.0.0.0/24', 'free 10.0.1.0/24', 'new 10.0.2.0/23', 'taken 10.0.4.0/22']))
  test('over space that is held', () => expect(say('10.0.5.0/24', '10.0.0.0/21')[1]).toBe('10.0.4.0/22'))
  test('over several free blocks', () => expect(say('10.0.0.0/22', '10.0.0.0/21')).toEqual([['new 10.0.0.0/22', 'taken 10.0.0.0/24', 'taken 10.0.4.0/22'].sort((a, b) => (a.startsWith('new') ? -1 : b.startsWith('new') ? 1 : 0)), '10.0.0.0/24']))
  test('places are parts of the window', () => {
    const { all } = neighbours(rows, cidr('10.0.2.0/24'), cidr('10.0.2.0/23'))
    expect(all.map(b => [b.text, b.start, b.share])).toEqual([['10.0.2.0/24', 0, 0.5], ['10.0.3.0/24', 0.5, 0.5]])
  })
  test('the nearest are the next block and the next taken one', () => {
    const near = (text: string, window: string) => nearest(neighbours(rows, cidr(text), cidr(window)).all).map(b => b.text)
    expect(near('10.0.2.0/23', '10.0.0.0/21')).toEqual(['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/23', '10.0.4.0/22'])
    expect(near('10.0.2.128/26', '10.0.0.0/21')).toEqual(['10.0.0.0/24', '10.0.2.0/25', '10.0.2.128/26', '10.0.2.192/26', '10.0.4.0/22'])
    expect(near('10.0.1.0/24', '10.0.1.0/24')).toEqual(['10.0.1.0/24'])
  })
  test('the window lies in the pool', () => {
    const window = (text: string, root: string) => { const w = windowOf(cidr(text), [cidr(root)]); return [w.first, w.length] }
    expect(window('10.0.2.0/24', '10.0.0.0/8')).toEqual([cidr('10.0.0.0/20').first, 20])
    expect(window('10.0.2.0/24', '10.0.2.0/23')).toEqual([cidr('10.0.2.0/23').first, 23])
    expect(window('10.0.2.0/24', '10.0.2.0/24')).toEqual([cidr('10.0.2.0/24').first, 24])
  })
})
