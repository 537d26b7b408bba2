// The answers of the API as cells of the map: one cell a CIDR, nested, in rows of one prefix
// length.
import { type SpaceBlock, type SpaceMap, type SpaceResource, type SpaceTile } from '../api/shapes'
import { contains, formatCidr, last, overlaps, parseCidr, type Cidr } from '../cidr'
import { order } from './axis'

// Kind is the state of a block, a resource in no block of its own, or a tile.
export type Kind = 'pool' | 'allocated' | 'held' | 'free' | 'changing' | 'resource' | 'tile'

export interface Item {
  kind: Kind
  cidr: Cidr
  block?: SpaceBlock
  tile?: SpaceTile
  resources: SpaceResource[] // the live resources with this CIDR
  hidden: readonly Cidr[] // the parts of a tile that another answer shows in more detail
}

// Cell is a CIDR with its blocks: a pool's CIDR may be that of its source, and an allocation may
// take all of it. The outer one comes first.
export interface Cell {
  cidr: Cidr
  text: string
  items: Item[]
  parent: Cell | undefined
  children: Cell[]
}

export interface Row {
  length: number
  cells: Cell[] // by address
}

export interface Model {
  cells: Cell[] // by address, a container before its contents
  rows: Row[] // by length
  roots: Cell[]
  tiled: boolean
  byText: ReadonlyMap<string, Cell>
}

// Answer is an answer of the API. region is the part of the space that was asked for; without
// it all is shown.
export interface Answer {
  region: Cidr | undefined
  exact: boolean
  items: readonly Item[]
}

export function answerOf(map: SpaceMap, region: Cidr | undefined): Answer {
  return { region, exact: map.Detail === 'exact', items: itemsOf(map) }
}

function itemsOf(map: SpaceMap): Item[] {
  const items: Item[] = []
  const at = new Map<string, Item[]>()
  const add = (item: Item) => {
    items.push(item)
    const text = formatCidr(item.cidr)
    const others = at.get(text)
    if (others) others.push(item)
    else at.set(text, [item])
  }
  for (const block of map.Blocks ?? []) {
    const cidr = parseCidr(block.Cidr ?? '')
    if (cidr && block.State !== undefined) add({ kind: block.State, cidr, block, resources: [], hidden: [] })
  }
  for (const resource of map.Resources ?? []) {
    const cidr = parseCidr(resource.Cidr ?? '')
    if (!cidr) continue
    const user = userOf(at.get(formatCidr(cidr)) ?? [], resource)
    if (user) user.resources.push(resource)
    else add({ kind: 'resource', cidr, resources: [resource], hidden: [] })
  }
  for (const tile of map.Tiles ?? []) {
    const cidr = parseCidr(tile.Cidr ?? '')
    if (cidr) add({ kind: 'tile', cidr, tile, resources: [], hidden: [] })
  }
  return items
}

// userOf returns the item that a resource of the same CIDR belongs to: its allocation, or else
// the innermost block in use.
function userOf(items: readonly Item[], resource: SpaceResource): Item | undefined {
  const own = resource.IpamPoolAllocationId
  if (own !== undefined) {
    const allocation = items.find(i => i.block?.IpamPoolAllocationId === own && i.kind !== 'pool')
    if (allocation) return allocation
  }
  return items.findLast(i => i.kind === 'allocated' || i.kind === 'held' || i.kind === 'resource')
}

// compose returns the items of several answers. In its region, an answer replaces the answers
// about more.
export function compose(answers: readonly Answer[]): Item[] {
  let items: Item[] = []
  for (const answer of [...answers].sort((a, b) => (a.region?.length ?? -1) - (b.region?.length ?? -1))) {
    const { region } = answer
    if (region) {
      items = items.flatMap(item => {
        if (!overlaps(item.cidr, region)) return item
        // The blocks around the region are in its own answer too.
        if (item.kind !== 'tile' || contains(region, item.cidr)) return []
        return { ...item, hidden: [...item.hidden, region] }
      })
    }
    items.push(...answer.items)
  }
  return items
}

export function modelOf(items: readonly Item[]): Model {
  const cells: Cell[] = []
  const byText = new Map<string, Cell>()
  for (const item of items) {
    const text = formatCidr(item.cidr)
    let cell = byText.get(text)
    if (!cell) {
      cell = { cidr: item.cidr, text, items: [], parent: undefined, children: [] }
      byText.set(text, cell)
      cells.push(cell)
    }
    cell.items.push(item)
  }
  cells.sort((a, b) => order(a.cidr, b.cidr))
  const rows = new Map<number, Row>()
  const roots: Cell[] = []
  const open: Cell[] = []
  for (const cell of cells) {
    while (open.length > 0 && last((open.at(-1) as Cell).cidr) < cell.cidr.first) open.pop()
    cell.parent = open.at(-1);
    (cell.parent?.children ?? roots).push(cell)
    open.push(cell)
    const row = rows.get(cell.cidr.length)
    if (row) row.cells.push(cell)
    else rows.set(cell.cidr.length, { length: cell.cidr.length, cells: [cell] })
  }
  return { cells, roots, byText, rows: [...rows.values()].sort((a, b) => a.length - b.length), tiled: items.some(i => i.kind === 'tile') }
}

// inner returns the innermost item of a cell.
export function inner(cell: Cell): Item {
  return cell.items.at(-1) as Item
}

// lowerBound returns the index of the first cell of a row that begins at or behind an address.
export function lowerBound(cells: readonly Cell[], address: bigint, from = 0): number {
  let lo = from
  let hi = cells.length
  while (lo < hi) {
    const middle = (lo + hi) >> 1
    if ((cells[middle] as Cell).cidr.first < address) lo = middle + 1
    else hi = middle
  }
  return lo
}

// holding returns the index of the first cell of a row that ends at or behind an address.
export function holding(cells: readonly Cell[], address: bigint): number {
  const i = lowerBound(cells, address)
  const before = cells[i - 1]
  return before && last(before.cidr) >= address ? i - 1 : i
}

// ownerOf returns the account that an item belongs to.
export function ownerOf(item: Item): string | undefined {
  return item.resources[0]?.ResourceOwnerId ?? item.block?.ResourceOwner
}

export function overlapping(item: Item): boolean {
  return (item.tile?.OverlappingAddresses ?? 0) > 0 || item.resources.some(r => r.OverlapStatus === 'overlapping')
}

// unmanaged reports whether live resources without an allocation use an item's space.
export function unmanaged(item: Item): boolean {
  return item.kind === 'held' || (item.kind === 'resource' && item.resources.some(r => r.ManagementState === 'unmanaged'))
}
