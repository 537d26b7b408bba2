// Pairs of resources whose CIDRs overlap.
import { compareCidrs, contains, last, parseCidr, type Cidr } from '../cidr'
import { type Resource } from '../data'

export interface Pair {
  a: Resource // the container, or the first by address
  b: Resource
  same: boolean // both have the same CIDR
  part: string // the CIDR that both have
}

// pairsOf returns each pair of overlapping resources once, in the order of addresses. At most
// limit pairs are returned: more reports whether there are further ones.
export function pairsOf(resources: readonly Resource[], limit = 1000): { pairs: Pair[]; more: boolean } {
  const sorted = resources
    .flatMap(resource => { const cidr = parseCidr(resource.ResourceCidr ?? ''); return cidr ? [{ resource, cidr }] : [] })
    .sort((x, y) => compareCidrs(x.resource.ResourceCidr ?? '', y.resource.ResourceCidr ?? '') || compare(x.resource.ResourceId, y.resource.ResourceId))
  const pairs: Pair[] = []
  // A container comes before its contents, so the containers of a CIDR are on a stack.
  let open: { resource: Resource; cidr: Cidr }[] = []
  for (const at of sorted) {
    open = open.filter(o => o.cidr.family === at.cidr.family && last(o.cidr) >= at.cidr.first)
    for (const o of open) {
      if (!contains(o.cidr, at.cidr) || o.resource.ResourceId === at.resource.ResourceId) continue
      if (pairs.length === limit) return { pairs, more: true }
      pairs.push({ a: o.resource, b: at.resource, same: o.cidr.length === at.cidr.length, part: at.resource.ResourceCidr ?? '' })
    }
    open.push(at)
  }
  return { pairs, more: false }
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0
}
