// Moves by keyboard: from block to block, and in and out.
import { last } from '../cidr'
import { all, clamp, fit, spanOf, type Axis, type View } from './axis'
import { type Cell, type Model } from './model'

export type Move = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown' | 'Home' | 'End'

export function isMove(key: string): key is Move {
  return /^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(key)
}

// move returns the cell that a key moves to. Left and right go to the blocks beside, up to the
// block around, down into the block. Without a cell, any key goes to the first one.
export function move(model: Model, cell: Cell | undefined, key: Move): Cell | undefined {
  if (!cell) return model.roots[0]
  switch (key) {
    case 'ArrowUp': return cell.parent ?? cell
    case 'ArrowDown': return cell.children[0] ?? cell
    case 'ArrowLeft': return beside(model, cell, -1) ?? cell
    case 'ArrowRight': return beside(model, cell, 1) ?? cell
    case 'Home': return siblings(model, cell)[0]
    case 'End': return siblings(model, cell).at(-1)
  }
}

function siblings(model: Model, cell: Cell): readonly Cell[] {
  return cell.parent?.children ?? model.roots
}

// beside returns the next block of the same one around, and at its end the one after that.
function beside(model: Model, cell: Cell, step: 1 | -1): Cell | undefined {
  for (let at: Cell | undefined = cell; at; at = at.parent) {
    const others = siblings(model, at)
    const next = others[others.indexOf(at) + step]
    if (next) return next
  }
  return undefined
}

// sameCell returns the cell of another model that stands for the same CIDR, or else the smallest
// one around it.
export function sameCell(model: Model, cell: Cell | undefined): Cell | undefined {
  if (!cell) return undefined
  const same = model.byText.get(cell.text)
  if (same) return same
  let found: Cell | undefined
  for (const other of model.cells) {
    if (other.cidr.first > cell.cidr.first) break
    if (other.cidr.length <= cell.cidr.length && last(other.cidr) >= last(cell.cidr)) found = other
  }
  return found
}

// reveal returns a view that shows a cell: the same view if it does, else one beside or around it.
export function reveal(axis: Axis, view: View, cell: Cell): View {
  const span = spanOf(axis, cell.cidr)
  if (!span) return view
  const [end, viewEnd] = [span.from + span.width, view.from + view.width]
  if (span.from >= view.from && end <= viewEnd) return view
  if (span.width > view.width) return span.from < view.from && end > viewEnd ? view : (fit(axis, cell.cidr) ?? view)
  return clamp(axis, { from: span.from + span.width / 2n - view.width / 2n, width: view.width })
}

// outOf returns the block around a view that is a good deal wider than it, and its view; without
// one, all of the axis.
export function outOf(axis: Axis, model: Model, view: View): { cell: Cell | undefined; view: View } {
  const whole = all(axis)
  const middle = view.from + view.width / 2n
  let best: { cell: Cell; view: View } | undefined
  for (const cell of model.cells) {
    const span = spanOf(axis, cell.cidr)
    const wider = span && fit(axis, cell.cidr)
    if (!span || !wider || middle < span.from || middle >= span.from + span.width) continue
    if (wider.width * 4n < view.width * 5n || wider.width >= whole.width) continue
    if (!best || wider.width < best.view.width) best = { cell, view: wider }
  }
  return best ?? { cell: undefined, view: whole }
}
