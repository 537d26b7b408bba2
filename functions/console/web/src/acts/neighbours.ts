// Where a CIDR lies among its neighbours: the blocks of its surroundings, with the CIDR cut out of
// the free space.
import { contains, formatCidr, gaps, last, overlaps, parseCidr, size, type Cidr } from '../cidr'
import { type Row } from '../pages/pool/space'

export type Neighbour =
  | { kind: 'new'; cidr: Cidr; text: string; start: number; share: number }
  | { kind: 'free' | 'taken'; cidr: Cidr; text: string; start: number; share: number; row: Row }

// neighbours returns the blocks of a window in the order of addresses. start and share are the
// place of the part that the window shows, from 0 to 1. clash is a block that the CIDR would overlap.
export function neighbours(rows: readonly Row[], cidr: Cidr, window: Cidr): { all: Neighbour[]; clash: Row | undefined } {
  const all: Neighbour[] = []
  let clash: Row | undefined
  const place = (c: Cidr) => {
    const from = c.first > window.first ? c.first : window.first
    const to = last(c) < last(window) ? last(c) : last(window)
    const whole = Number(size(window))
    return { cidr: c, text: formatCidr(c), start: Number(from - window.first) / whole, share: Number(to - from + 1n) / whole }
  }
  for (const row of rows) {
    const block = parseCidr(row.block.Cidr ?? '')
    if (row.kind === 'root' || !block || !overlaps(block, window)) continue
    if (row.kind !== 'free') {
      if (overlaps(block, cidr)) clash ??= row
      all.push({ kind: 'taken', row, ...place(block) })
    } else {
      const rest = contains(block, cidr) ? gaps(block, [cidr]) : contains(cidr, block) ? [] : [block]
      for (const free of rest) if (overlaps(free, window)) all.push({ kind: 'free', row, ...place(free) })
    }
  }
  all.push({ kind: 'new', ...place(cidr) })
  all.sort((a, b) => (a.cidr.first < b.cidr.first ? -1 : a.cidr.first > b.cidr.first ? 1 : a.cidr.length - b.cidr.length))
  return { all, clash }
}

// nearest returns the new block with the next block and the next taken block on each side.
export function nearest(all: readonly Neighbour[]): Neighbour[] {
  const at = all.findIndex(b => b.kind === 'new')
  const before = all.slice(0, at).reverse()
  const after = all.slice(at + 1)
  const pick = (side: readonly Neighbour[]) => side.filter((b, i) => i === 0 || b === side.find(n => n.kind === 'taken'))
  return [...pick(before).reverse(), ...all.slice(at, at + 1), ...pick(after)]
}
