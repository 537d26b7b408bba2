// The values of fields: lengths, CIDRs, tags.
import { contains, formatCidr, parseAddress, parseCidr, type Cidr } from '../cidr'
import { type Pool } from '../data'

export type Family = 'ipv4' | 'ipv6'

export function bitsOf(family: Family): 32 | 128 {
  return family === 'ipv6' ? 128 : 32
}

// addressesOf returns the number of addresses of a block.
export function addressesOf(family: Family, length: number): bigint {
  return 1n << BigInt(bitsOf(family) - length)
}

// hostsOf returns the number of hosts of one subnet that has the block: EC2 keeps five addresses
// of each subnet. It is undefined for lengths that no subnet has.
export function hostsOf(family: Family, length: number): number | undefined {
  return family === 'ipv4' && length >= 16 && length <= 28 ? 2 ** (32 - length) - 5 : undefined
}

// lengthsOf returns the lengths that an allocation from a pool may have, the largest block first.
// roots are the CIDRs of the pool.
export function lengthsOf(pool: Pick<Pool, 'AddressFamily' | 'AllocationMinNetmaskLength' | 'AllocationMaxNetmaskLength'>, roots: readonly string[]): number[] {
  const family = pool.AddressFamily ?? 'ipv4'
  const widest = Math.min(...roots.flatMap(r => parseCidr(r)?.length ?? []), bitsOf(family))
  const from = Math.max(roots.length > 0 ? widest : 0, pool.AllocationMinNetmaskLength ?? 0)
  const to = pool.AllocationMaxNetmaskLength ?? bitsOf(family)
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
}

// firstLength returns the length that a form begins with.
export function firstLength(pool: Pick<Pool, 'AddressFamily' | 'AllocationDefaultNetmaskLength'>, lengths: readonly number[]): number | undefined {
  const usual = pool.AddressFamily === 'ipv6' ? 56 : 24
  return [pool.AllocationDefaultNetmaskLength, usual].find(n => n !== undefined && lengths.includes(n)) ?? lengths.at(Math.min(4, lengths.length - 1))
}

export type CidrFault = { kind: 'empty' } | { kind: 'form' } | { kind: 'family' } | { kind: 'host'; canonical: string }

// cidrFault returns the fault of a CIDR that was typed, and undefined for a correct one.
export function cidrFault(text: string, family: Family): CidrFault | undefined {
  const typed = text.trim()
  if (typed === '') return { kind: 'empty' }
  const cidr = parseCidr(typed)
  if (!cidr || !typed.includes('/')) return { kind: 'form' }
  if (cidr.bits !== bitsOf(family)) return { kind: 'family' }
  const address = parseAddress(typed.split('/')[0] ?? '')
  return address?.value === cidr.first ? undefined : { kind: 'host', canonical: formatCidr(cidr) }
}

// canonical returns a CIDR as the API writes it.
export function canonical(text: string): string {
  const cidr = parseCidr(text.trim())
  return cidr ? formatCidr(cidr) : text.trim()
}

export interface Tag {
  Key: string
  Value: string
}

export type TagFault = 'empty' | 'twice' | 'reserved'

// tagFaults returns the fault of each tag.
export function tagFaults(tags: readonly Tag[]): (TagFault | undefined)[] {
  return tags.map((tag, i) => (tag.Key.trim() === '' ? 'empty' : /^(aws|cadastre):/i.test(tag.Key) ? 'reserved' : tags.findIndex(t => t.Key === tag.Key) < i ? 'twice' : undefined))
}

// named returns tags with the tag Name, if there is a name.
export function named(name: string, tags: readonly Tag[]): Tag[] {
  const rest = tags.filter(t => t.Key !== 'Name')
  return name.trim() === '' ? [...rest] : [{ Key: 'Name', Value: name.trim() }, ...rest]
}

// tagSpecifications returns the parameter of a creation, and undefined without tags.
export function tagSpecifications<T extends string>(type: T, tags: readonly Tag[]): { ResourceType: T; Tags: Tag[] }[] | undefined {
  return tags.length === 0 ? undefined : [{ ResourceType: type, Tags: [...tags] }]
}

// tagChange returns the tags to set and the tags to remove, so that an object has the wanted ones.
export function tagChange(have: readonly { Key?: string; Value?: string }[], want: readonly Tag[]): { set: Tag[]; remove: Tag[] } {
  const value = (key: string) => have.find(t => t.Key === key)?.Value
  return {
    set: want.filter(t => value(t.Key) !== t.Value),
    remove: have.filter(t => !want.some(w => w.Key === t.Key)).map(t => ({ Key: t.Key ?? '', Value: t.Value ?? '' })),
  }
}

// text returns a typed text without outer spaces, and undefined for an empty one.
export function text(typed: string): string | undefined {
  return typed.trim() === '' ? undefined : typed.trim()
}

// principalFault reports whether a text is none of an account, an organizational unit and an
// organisation, by id or ARN.
export function principalFault(typed: string): boolean {
  return !/^(\d{12}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|o-[a-z0-9]{10,32}|arn:aws[a-z-]*:organizations::\d{12}:(ou\/o-[a-z0-9]{10,32}\/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|organization\/o-[a-z0-9]{10,32}))$/.test(typed.trim())
}

// windowOf returns the block around a CIDR whose neighbours a form shows: at most 16 times as large,
// and inside one of the roots.
export function windowOf(cidr: Cidr, roots: readonly Cidr[]): Cidr {
  const root = roots.find(r => contains(r, cidr))
  const length = Math.max(cidr.length - 4, root?.length ?? 0)
  const host = BigInt(cidr.bits - length)
  return { ...cidr, length, first: (cidr.first >> host) << host }
}

// provisionLengths are the lengths that a pool's CIDR may have. Unique local space of a top-level pool has /9 to /60.
export function provisionLengths(family: Family, top: boolean): number[] {
  const [from, to] = family === 'ipv4' ? [1, 30] : top ? [9, 60] : [1, bitsOf(family)]
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}
