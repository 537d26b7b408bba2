// Tiles of a space with many blocks, as the API makes them: disjoint, and with totals that add up
// to those of the whole.
import type { SpaceBlock, SpaceResource, SpaceTile } from '../src/api/shapes'
import { contains, formatCidr, overlaps, parseCidr, size, type Cidr } from '../src/cidr'
import { cut, join, order } from '../src/map/axis'

interface Entry { cidr: Cidr; block?: SpaceBlock; resource?: SpaceResource }

export function tilesOf(blocks: readonly SpaceBlock[], resources: readonly SpaceResource[], window: Cidr | undefined, most = 600): SpaceTile[] {
  const entries: Entry[] = [
    ...blocks.flatMap(block => { const cidr = parseCidr(block.Cidr ?? ''); return cidr ? [{ cidr, block }] : [] }),
    ...resources.flatMap(resource => { const cidr = parseCidr(resource.Cidr ?? ''); return cidr ? [{ cidr, resource }] : [] }),
  ].sort((a, b) => order(a.cidr, b.cidr))
  const tiles: SpaceTile[] = []
  const few = Math.ceil((2 * entries.length) / most)
  const divide = (block: Cidr, inside: readonly Entry[]): void => {
    const [one] = inside
    if (!one) return
    // A tile is as small as its entries together, unless an entry contains it.
    const p = inside.some(e => contains(e.cidr, block)) ? block : inside.reduce((all, e) => join(all, e.cidr), one.cidr)
    const smaller = inside.filter(e => e.cidr.length > p.length)
    if (smaller.length <= few || smaller.length === 0) {
      tiles.push(tile(p, inside))
      return
    }
    const half = { ...p, length: p.length + 1 }
    for (const part of [half, { ...half, first: half.first + size(half) }]) divide(part, inside.filter(e => overlaps(e.cidr, part)))
  }
  const [first] = entries
  if (first) divide(window ?? cut(first.cidr, 0n, 0), entries)
  return tiles
}

function tile(p: Cidr, inside: readonly Entry[]): SpaceTile {
  const begins = (e: Entry) => e.cidr.first >= p.first
  const count = (of: (e: Entry) => boolean) => inside.filter(e => begins(e) && of(e)).length
  const addresses = (of: (e: Entry) => boolean) => {
    let n = 0n
    let outer: Cidr | undefined
    for (const e of inside) {
      if (!of(e) || (outer && contains(outer, e.cidr))) continue
      outer = e.cidr
      n += contains(e.cidr, p) ? size(p) : size(e.cidr)
    }
    return Number(n)
  }
  const state = (s: SpaceBlock['State']) => (e: Entry) => e.block?.State === s
  return {
    Cidr: formatCidr(p), IpamPoolId: inside.findLast(e => e.block?.State === 'pool' && contains(e.cidr, p))?.block?.ChildIpamPoolId,
    Allocations: count(state('allocated')), FreeBlocks: count(state('free')), Resources: count(e => e.resource !== undefined),
    ProvisionedAddresses: addresses(state('pool')), AllocatedAddresses: addresses(state('allocated')), HeldAddresses: addresses(state('held')), FreeAddresses: addresses(state('free')),
    OverlappingAddresses: addresses(e => e.resource?.OverlapStatus === 'overlapping'), NoncompliantAddresses: addresses(e => e.resource?.ComplianceStatus === 'noncompliant'), UnmanagedAddresses: addresses(e => e.resource?.ManagementState === 'unmanaged'),
  }
}
