// The rectangles of a view. Only visible cells become rectangles, and cells that are narrower
// than a pixel become one together: the work depends on the width of the screen, not on the
// number of cells.
import { last, overlaps, type Cidr } from '../cidr'
import { positionOf, shown, xOf, type Area, type Axis, type View } from './axis'
import { type Class, type Paint, type PaintedRow } from './colours'
import { holding, inner, lowerBound, type Cell, type Item, type Model } from './model'

export interface Band {
  length: number
  y: number
  height: number
}

// Bands are the rows of the map: one a prefix length. A length that no cell has gets a thin one.
export interface Bands {
  bands: readonly Band[]
  height: number
}

export const thin = 5

// bandsOf returns the rows from the largest area down to the smallest block. A map in tiles shows
// all lengths, since smaller blocks appear when it is zoomed.
export function bandsOf(axis: Axis, model: Model, room: number): Bands {
  const bits = axis.areas[0]?.cidr.bits ?? 32
  const used = new Set(model.rows.map(r => r.length))
  const top = Math.min(...axis.areas.map(a => a.cidr.length), ...used)
  const end = Math.max(...used, model.tiled ? (bits === 32 ? 28 : 64) : 0)
  if (!Number.isFinite(top) || end < 0) return { bands: [], height: 0 }
  const lengths = Array.from({ length: end - top + 1 }, (_, i) => top + i)
  const full = lengths.filter(n => model.tiled || used.has(n)).length
  const high = Math.max(18, Math.min(30, Math.floor((room - (lengths.length - full) * thin) / full)))
  const bands: Band[] = []
  let y = 0
  for (const length of lengths) {
    const height = model.tiled || used.has(length) ? high : thin
    bands.push({ length, y, height })
    y += height
  }
  return { bands, height: y }
}

export interface Rect {
  x: number
  y: number
  width: number
  height: number
  of: Class
  overlap: boolean
  hatched: boolean
  count: number // of cells
  cell: Cell | undefined // if it is one cell
  item: Item | undefined // if it is one cell: the block of this rectangle
  front: boolean // the innermost block of the cell
}

const inset = 3 // pixels between the blocks of a cell
const levels = 3 // of a cell are drawn; the outer ones are left out

export interface Scene {
  axis: Axis
  model: Model
  paint: Paint
  bands: Bands
  classOf: (item: Item) => Class
}

// layout returns the rectangles of a view that is width pixels wide, a container before its
// contents.
export function layout(scene: Scene, view: View, width: number): Rect[] {
  const rects: Rect[] = []
  const spans = shown(scene.axis, view)
  scene.model.rows.forEach((row, r) => {
    const band = scene.bands.bands.find(b => b.length === row.length)
    const painted = scene.paint.rows[r]
    if (!band || !painted) return
    for (const { area, first, last: end } of spans) {
      let i = holding(row.cells, first)
      while (i < row.cells.length && (row.cells[i] as Cell).cidr.first <= end) {
        const cell = row.cells[i] as Cell
        const [from, to] = edges(area, cell.cidr, view, width)
        if (to - from >= 1 || inner(cell).kind === 'tile') {
          one(rects, scene, cell, band, { area, first, end }, view, width)
          i++
        } else i = run(rects, scene, row.cells, painted, i, { area, end }, band, view, width)
      }
    }
  })
  return rects
}

function edges(area: Area, cidr: Cidr, view: View, width: number): [number, number] {
  const from = cidr.first < area.cidr.first ? area.cidr.first : cidr.first
  const to = last(cidr) > last(area.cidr) ? last(area.cidr) : last(cidr)
  return [xOf(view, positionOf(area, from), width), xOf(view, positionOf(area, to + 1n), width)]
}

// one adds the rectangles of a cell, cut off at the edges of the view.
function one(rects: Rect[], scene: Scene, cell: Cell, band: Band, span: { area: Area; first: bigint; end: bigint }, view: View, width: number): void {
  const [from, to] = edges(span.area, cell.cidr, view, width)
  const x = Math.max(from, -2)
  const whole = { x, y: band.y, width: Math.max(1, Math.min(to, width + 2) - x), height: band.height }
  const item = inner(cell)
  const about = { count: 1, cell, overlap: false, hatched: false }
  if (item.kind === 'tile') {
    for (const [a, b] of uncovered(item, span)) {
      const x0 = Math.max(xOf(view, positionOf(span.area, a), width), -2)
      const x1 = Math.min(xOf(view, positionOf(span.area, b + 1n), width), width + 2)
      rects.push({ ...about, x: x0, y: band.y, width: Math.max(1, x1 - x0), height: scene.bands.height - band.y, of: scene.classOf(item), item, front: true, overlap: (item.tile?.OverlappingAddresses ?? 0) > 0 })
    }
    return
  }
  const stack = whole.width > 4 * inset * levels ? cell.items.slice(-levels) : cell.items.slice(-1)
  stack.forEach((each, level) => {
    const by = Math.min(level * inset, (band.height - 8) / 2)
    rects.push({
      ...about, x: whole.x + by, y: whole.y + by, width: whole.width - 2 * by, height: whole.height - 2 * by, of: scene.classOf(each), item: each, front: each === item,
      overlap: each === item && cell.items.some(i => i.resources.some(o => o.OverlapStatus === 'overlapping')),
      hatched: each.kind === 'held' || (each.kind === 'resource' && each.resources.some(o => o.ManagementState === 'unmanaged')),
    })
  })
}

// uncovered returns the visible parts of a tile that no other answer shows in more detail.
function uncovered(item: Item, span: { first: bigint; end: bigint }): [bigint, bigint][] {
  let at = item.cidr.first > span.first ? item.cidr.first : span.first
  const end = last(item.cidr) < span.end ? last(item.cidr) : span.end
  const parts: [bigint, bigint][] = []
  for (const hidden of item.hidden.filter(h => overlaps(h, item.cidr)).sort((a, b) => (a.first < b.first ? -1 : 1))) {
    if (hidden.first > at) parts.push([at, hidden.first - 1n < end ? hidden.first - 1n : end])
    if (last(hidden) >= at) at = last(hidden) + 1n
    if (at > end) return parts
  }
  if (at <= end) parts.push([at, end])
  return parts
}

// run adds one rectangle for the cells that share a pixel, or widens the last one if it looks
// the same. It returns the index of the first cell behind that pixel.
function run(rects: Rect[], scene: Scene, cells: readonly Cell[], painted: PaintedRow, i: number, span: { area: Area; end: bigint }, band: Band, view: View, width: number): number {
  const cell = cells[i] as Cell
  const [from] = edges(span.area, cell.cidr, view, width)
  const x = Math.floor(from)
  // The first address at or behind the right edge of the pixel.
  const behind = span.area.cidr.first + addressesTo(span.area, view, x + 1, width)
  let next = lowerBound(cells, behind > cell.cidr.first ? behind : cell.cidr.first + 1n, i + 1)
  while (next < cells.length && Math.floor(edges(span.area, (cells[next] as Cell).cidr, view, width)[0]) <= x) next++
  while (next > i + 1 && (cells[next - 1] as Cell).cidr.first > span.end) next--
  const of = scene.paint.classes[commonest(painted, i, next)] ?? 'unknown'
  const overlap = sum(painted.overlaps, i, next) > 0
  const hatched = sum(painted.hatched, i, next) * 2 > next - i
  const before = rects.at(-1)
  if (before && before.y === band.y && before.of === of && before.overlap === overlap && before.hatched === hatched && before.count > 0 && before.cell === undefined && Math.abs(before.x + before.width - x) < 0.5) {
    before.width += 1
    before.count += next - i
  } else {
    const single = next === i + 1 ? cell : undefined
    rects.push({ x, y: band.y, width: 1, height: band.height, of, overlap, hatched, count: next - i, cell: single, item: single && inner(single), front: true })
  }
  return next
}

function addressesTo(area: Area, view: View, x: number, width: number): bigint {
  const perAddress = positionOf(area, area.cidr.first + 1n) - area.from
  const position = view.from + BigInt(Math.floor((Number(view.width) * x) / width))
  return position <= area.from ? 0n : (position - area.from) / perAddress
}

function sum(before: Uint32Array, i: number, next: number): number {
  return (before[next] ?? 0) - (before[i] ?? 0)
}

function commonest(painted: PaintedRow, i: number, next: number): number {
  if (next === i + 1) return painted.of[i] ?? 0
  let best = 0
  let most = -1
  painted.before.forEach((before, n) => {
    const count = before.length === 0 ? 0 : sum(before, i, next)
    if (count > most) [best, most] = [n, count]
  })
  return best
}
