// CIDRs and addresses, for order, size and containment. The API decides on everything else.

export interface Cidr {
  family: 4 | 6
  bits: 32 | 128
  first: bigint
  length: number
}

// parseAddress returns the value of an IPv4 or IPv6 address, or undefined.
export function parseAddress(text: string): { family: 4 | 6; value: bigint } | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    let value = 0n
    for (const part of text.split('.')) {
      if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined
      value = (value << 8n) | BigInt(part)
    }
    return { family: 4, value }
  }
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(':')) return undefined
  let tail: bigint[] = []
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  let rest = text
  if (dotted) {
    const v4 = parseAddress(dotted[2] ?? '')
    if (v4?.family !== 4) return undefined
    tail = [v4.value >> 16n, v4.value & 0xffffn]
    rest = dotted[1] ?? ''
    if (!rest.endsWith('::')) rest = rest.slice(0, -1)
  }
  const halves = rest.split('::')
  if (halves.length > 2) return undefined
  const groups = (half: string | undefined): bigint[] | undefined => {
    if (half === undefined || half === '') return []
    const parts = half.split(':')
    return parts.every(p => /^[0-9a-fA-F]{1,4}$/.test(p)) ? parts.map(p => BigInt(`0x${p}`)) : undefined
  }
  const head = groups(halves[0])
  const end = groups(halves[1])
  if (!head || !end) return undefined
  const after = [...end, ...tail]
  const missing = 8 - head.length - after.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  let value = 0n
  for (const group of [...head, ...Array<bigint>(missing).fill(0n), ...after]) value = (value << 16n) | group
  return { family: 6, value }
}

// parseCidr returns a CIDR, or an address as a CIDR of one, or undefined. Host bits are cut off.
export function parseCidr(text: string): Cidr | undefined {
  const [address, length, ...more] = text.trim().split('/')
  const parsed = parseAddress(address ?? '')
  if (!parsed || more.length > 0) return undefined
  const bits = parsed.family === 4 ? 32 : 128
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined
  const n = length === undefined ? bits : Number(length)
  if (n > bits) return undefined
  const host = BigInt(bits - n)
  return { family: parsed.family, bits, first: (parsed.value >> host) << host, length: n }
}

export function formatAddress(family: 4 | 6, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(s => (value >> s) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  // RFC 5952: the first longest run of two or more zero groups is left out.
  let start = -1
  let longest = 1
  for (let i = 0; i < 8; ) {
    let j = i
    while (j < 8 && groups[j] === '0') j++
    if (j - i > longest) [start, longest] = [i, j - i]
    i = Math.max(j, i + 1)
  }
  if (start < 0) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + longest).join(':')}`
}

export function formatCidr(c: Cidr): string {
  return `${formatAddress(c.family, c.first)}/${c.length}`
}

export function size(c: Cidr): bigint {
  return 1n << BigInt(c.bits - c.length)
}

export function last(c: Cidr): bigint {
  return c.first + size(c) - 1n
}

export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.length <= inner.length && outer.first <= inner.first && last(inner) <= last(outer)
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a)
}

// compareCidrs orders by family, then by address, then by length: a container comes first.
// Texts that are no CIDR come last, in their own order.
export function compareCidrs(a: string, b: string): number {
  const x = parseCidr(a)
  const y = parseCidr(b)
  if (!x || !y) return x ? -1 : y ? 1 : a < b ? -1 : a > b ? 1 : 0
  if (x.family !== y.family) return x.family - y.family
  if (x.first !== y.first) return x.first < y.first ? -1 : 1
  return x.length - y.length
}

// between returns the CIDRs that cover the addresses from first to last exactly, in order.
export function between(family: 4 | 6, first: bigint, end: bigint): Cidr[] {
  const bits = family === 4 ? 32 : 128
  const found: Cidr[] = []
  for (let at = first; at <= end; ) {
    let host = 0
    while (host < bits && at % (1n << BigInt(host + 1)) === 0n && at + (1n << BigInt(host + 1)) - 1n <= end) host++
    found.push({ family, bits, first: at, length: bits - host })
    at += 1n << BigInt(host)
  }
  return found
}

// gaps returns the CIDRs of outer that none of the inner ones covers.
export function gaps(outer: Cidr, inner: readonly Cidr[]): Cidr[] {
  const found: Cidr[] = []
  let at = outer.first
  const sorted = inner.filter(c => contains(outer, c)).sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.length - b.length))
  for (const c of sorted) {
    if (c.first > at) found.push(...between(outer.family, at, c.first - 1n))
    if (last(c) >= at) at = last(c) + 1n
  }
  if (at <= last(outer)) found.push(...between(outer.family, at, last(outer)))
  return found
}
