// The cell at a point of the screen.
import { last } from '../cidr'
import { addressAt, positionAt, positionOf, xOf, type Area, type View } from './axis'
import { holding, inner, type Cell } from './model'
import { type Scene } from './layout'

export interface Hit {
  cell: Cell // the first one, if there are several
  count: number // the cells at this place: more than one if they are narrower than a pixel
  address: bigint
}

// near is how far from a narrow cell a place may be, in pixels.
const near = 3

// hit returns the cell at a place of a view that is width pixels wide, or undefined.
export function hit(scene: Scene, view: View, width: number, x: number, y: number): Hit | undefined {
  const at = addressAt(scene.axis, positionAt(view, x, width))
  const band = scene.bands.bands.find(b => y >= b.y && y < b.y + b.height)
  if (!at || !band) return undefined
  const { area, address } = at
  const row = scene.model.rows.find(r => r.length === band.length)
  if (row) {
    const [lo, hi] = [addressOf(scene, area, view, x - 0.5, width), addressOf(scene, area, view, x + 0.5, width)]
    const exact = row.cells[holding(row.cells, address)]
    const first = holding(row.cells, lo)
    let count = 0
    for (let i = first; i < row.cells.length && (row.cells[i] as Cell).cidr.first <= hi; i++) count++
    if (exact && exact.cidr.first <= address && wide(area, exact, view, width) >= 1) return { cell: exact, count: 1, address }
    if (count > 0) return { cell: row.cells[first] as Cell, count, address }
    const [left, right] = [addressOf(scene, area, view, x - near, width), addressOf(scene, area, view, x + near, width)]
    const close = row.cells[holding(row.cells, left)]
    if (close && close.cidr.first <= right && wide(area, close, view, width) < near) return { cell: close, count: 1, address: close.cidr.first }
  }
  // A tile fills the rows below its own.
  for (const { length, cells } of [...scene.model.rows].reverse()) {
    if (length > band.length) continue
    const cell = cells[holding(cells, address)]
    if (cell && cell.cidr.first <= address && inner(cell).kind === 'tile' && last(cell.cidr) >= address) return { cell, count: 1, address }
  }
  return undefined
}

function addressOf(scene: Scene, area: Area, view: View, x: number, width: number): bigint {
  const found = addressAt(scene.axis, positionAt(view, x, width))
  if (found?.area === area) return found.address
  return positionAt(view, x, width) < area.from ? area.cidr.first : last(area.cidr)
}

function wide(area: Area, cell: Cell, view: View, width: number): number {
  return xOf(view, positionOf(area, last(cell.cidr) + 1n), width) - xOf(view, positionOf(area, cell.cidr.first), width)
}
