import { describe, expect, test } from 'vitest'
import { between, compareCidrs, contains, formatAddress, formatCidr, gaps, last, overlaps, parseAddress, parseCidr, size, type Cidr } from './cidr'

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text)
  if (!parsed) throw new Error(text)
  return parsed
}

describe('addresses', () => {
  test.each(['0.0.0.0', '10.1.2.3', '255.255.255.255', '::', '::1', '2001:db8::', '2001:db8:0:1::', '1:0:0:2::3', 'fd00:8:2c00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '1:2:3:4:5:6:7:8', '1:0:3:4:5:6:7:8'])('%s reads and shows as itself', text => {
    const parsed = parseAddress(text)
    expect(parsed && formatAddress(parsed.family, parsed.value)).toBe(text)
  })
  test.each([['::ffff:1.2.3.4', '::ffff:102:304'], ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'], ['0:0:1::', '0:0:1::']])('%s shows as %s', (text, want) => {
    const parsed = parseAddress(text)
    expect(parsed && formatAddress(parsed.family, parsed.value)).toBe(want)
  })
  test.each(['', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '1:2:3:4:5:6:7::8', 'vpc-1', '::1.2.3'])('%s is no address', text => {
    expect(parseAddress(text)).toBeUndefined()
  })
})

describe('CIDRs', () => {
  test.each(['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '/8', '10.0.0.0/-1', '10.0.0.0/1x'])('%s is no CIDR', text => expect(parseCidr(text)).toBeUndefined())
  test('host bits are cut off', () => expect(formatCidr(cidr('10.1.2.3/16'))).toBe('10.1.0.0/16'))
  test('an address is a CIDR of one', () => expect([formatCidr(cidr('10.1.2.3')), size(cidr('10.1.2.3'))]).toEqual(['10.1.2.3/32', 1n]))
  test('the whole of IPv6 has its last address', () => expect(last(cidr('::/0'))).toBe((1n << 128n) - 1n))
  test('containment and overlap', () => {
    expect(contains(cidr('10.0.0.0/8'), cidr('10.1.0.0/16'))).toBe(true)
    expect(contains(cidr('10.1.0.0/16'), cidr('10.0.0.0/8'))).toBe(false)
    expect(contains(cidr('::/0'), cidr('10.0.0.0/8'))).toBe(false)
    expect(overlaps(cidr('10.1.0.0/16'), cidr('10.0.0.0/8'))).toBe(true)
    expect(overlaps(cidr('10.0.0.0/9'), cidr('10.128.0.0/9'))).toBe(false)
  })
  test('order: family, address, container first, other texts last', () => {
    expect(['x', '::/0', '10.0.0.0/16', '9.0.0.0/8', '10.0.0.0/8', '100.0.0.0/8'].sort(compareCidrs)).toEqual(['9.0.0.0/8', '10.0.0.0/8', '10.0.0.0/16', '100.0.0.0/8', '::/0', 'x'])
  })
})

describe('gaps', () => {
  const text = (outer: string, ...inner: string[]) => gaps(cidr(outer), inner.map(cidr)).map(formatCidr)
  test('nothing inside', () => expect(text('10.0.0.0/24')).toEqual(['10.0.0.0/24']))
  test('full', () => expect(text('10.0.0.0/24', '10.0.0.0/25', '10.0.0.128/25')).toEqual([]))
  test('a hole in the middle', () => expect(text('10.0.0.0/24', '10.0.0.64/26')).toEqual(['10.0.0.0/26', '10.0.0.128/25']))
  test('nested and in no order', () => expect(text('10.0.0.0/24', '10.0.0.192/26', '10.0.0.0/25', '10.0.0.16/28')).toEqual(['10.0.0.128/26']))
  test('others are outside', () => expect(text('10.0.0.0/24', '10.0.1.0/24', '10.0.0.0/8')).toEqual(['10.0.0.0/24']))
  // Every set of taken blocks in a universe of 16 addresses.
  test('what is free and taken covers all, once', () => {
    const universe = cidr('10.0.0.0/28')
    const blocks: Cidr[] = []
    for (let length = 29; length <= 32; length++) for (let i = 0n; i < 1n << BigInt(length - 28); i++) blocks.push({ ...universe, length, first: universe.first + i * (1n << BigInt(32 - length)) })
    for (let seed = 1; seed < 3000; seed++) {
      const inner = blocks.filter((_, i) => ((seed * 2654435761) >>> (i % 31)) % 5 === 0)
      const owner = new Map<bigint, number>()
      for (const c of inner) for (let a = c.first; a <= last(c); a++) owner.set(a, 1)
      for (const c of gaps(universe, inner)) for (let a = c.first; a <= last(c); a++) owner.set(a, (owner.get(a) ?? 0) + 2)
      expect(owner.size).toBe(16)
      expect([...owner.values()].every(v => v === 1 || v === 2)).toBe(true)
    }
  })
  test('between is aligned and exact for IPv6', () => expect(between(6, 1n, 8n).map(formatCidr)).toEqual(['::1/128', '::2/127', '::4/126', '::8/128']))
})
