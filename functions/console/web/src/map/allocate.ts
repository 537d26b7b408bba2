// The link of a hole: to the allocation form of its pool, with a CIDR that the pool's rules admit.
import { formatCidr, type Cidr } from '../cidr'
import { type Pool } from '../data'
import { query } from '../parts/link'
import { cut } from './axis'
import { inner, type Cell } from './model'

// suggested returns the CIDR to allocate out of a free block: the block itself if the pool's rules
// admit its length, else the part around an address with the pool's default length.
export function suggested(hole: Cidr, pool: Pool | undefined, address = hole.first): Cidr {
  const least = Math.max(hole.length, pool?.AllocationMinNetmaskLength ?? 0)
  const most = pool?.AllocationMaxNetmaskLength ?? hole.bits
  const length = Math.max(hole.length, Math.min(most, Math.max(least, pool?.AllocationDefaultNetmaskLength ?? 0)))
  return cut(hole, address, length)
}

// holeOf returns the pool whose free space a cell is, or undefined.
export function holeOf(cell: Cell): string | undefined {
  const item = inner(cell)
  return item.kind === 'free' ? item.block?.IpamPoolId : undefined
}

export function allocateAt(pool: string, cidr: Cidr): string {
  return query(`/pools/${encodeURIComponent(pool)}/allocate`, { cidr: formatCidr(cidr) })
}
