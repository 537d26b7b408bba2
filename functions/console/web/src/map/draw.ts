// Draws the rectangles of a view on a canvas.
import { type Axis, positionOf, type View, xOf } from './axis'
import { sharesOf, type Class, type Mode, type Palette } from './colours'
import { type Bands, type Rect } from './layout'
import { type Cell } from './model'

export const gutter = 44 // the width of the rows' lengths, at the left
export const head = 24 // the height of the addresses, at the top

export interface Frame {
  rects: readonly Rect[]
  bands: Bands
  axis: Axis
  view: View
  ticks: readonly { x: number; text: string }[]
  width: number // of the map, without the gutter
  mode: Mode
  palette: Palette
  ratio: number // pixels of the screen in one of the page
  labelOf: (cell: Cell) => readonly string[] // the texts of a cell, the best one first
  focus: Cell | undefined
  hover: Cell | undefined
}

const font = "12px 'Open Sans', 'Helvetica Neue', Roboto, Arial, 'Noto Sans JP', sans-serif"

export function draw(ctx: CanvasRenderingContext2D, f: Frame): void {
  const height = head + f.bands.height
  ctx.setTransform(f.ratio, 0, 0, f.ratio, 0, 0)
  ctx.fillStyle = f.palette.background
  ctx.fillRect(0, 0, gutter + f.width, height)
  ctx.font = font
  ctx.textBaseline = 'middle'
  drawBands(ctx, f)
  ctx.save()
  ctx.beginPath()
  ctx.rect(gutter, 0, f.width, height + 1)
  ctx.clip()
  ctx.translate(gutter, 0)
  drawTicks(ctx, f)
  ctx.translate(0, head)
  drawAreas(ctx, f)
  for (const r of f.rects) drawRect(ctx, f, r)
  for (const r of f.rects) if (r.overlap) outline(ctx, r, f.palette.overlap, 2)
  mark(ctx, f, f.hover, 1.5)
  mark(ctx, f, f.focus, 3)
  ctx.restore()
}

function drawBands(ctx: CanvasRenderingContext2D, f: Frame): void {
  f.bands.bands.forEach((b, i) => {
    if (i % 2 === 1) {
      ctx.fillStyle = f.palette.row
      ctx.fillRect(0, head + b.y, gutter + f.width, b.height)
    }
    if (b.height < 12) return
    ctx.fillStyle = f.palette.text
    ctx.textAlign = 'right'
    ctx.fillText(`/${b.length}`, gutter - 8, head + b.y + b.height / 2)
  })
  ctx.textAlign = 'left'
}

function drawTicks(ctx: CanvasRenderingContext2D, f: Frame): void {
  ctx.fillStyle = f.palette.text
  ctx.strokeStyle = f.palette.classes.unknown.line
  ctx.lineWidth = 1
  for (const { x, text } of f.ticks) {
    const at = Math.round(x) + 0.5
    ctx.beginPath()
    ctx.moveTo(at, head - 6)
    ctx.lineTo(at, head)
    ctx.stroke()
    if (at + 3 + measure(ctx, text) <= f.width) ctx.fillText(text, at + 3, head - 12)
  }
}

// drawAreas marks the parts of the space that the axis leaves out.
function drawAreas(ctx: CanvasRenderingContext2D, f: Frame): void {
  f.axis.areas.forEach((area, i) => {
    const before = f.axis.areas[i - 1]
    if (!before) return
    const to = xOf(f.view, area.from, f.width)
    const from = xOf(f.view, positionOf(before, before.cidr.first + (1n << BigInt(before.cidr.bits - before.cidr.length))), f.width)
    if (to < 0 || from > f.width) return
    ctx.fillStyle = f.palette.row
    ctx.fillRect(from, 0, to - from, f.bands.height)
    ctx.strokeStyle = f.palette.classes.unknown.line
    ctx.setLineDash([3, 3])
    ctx.beginPath()
    for (const x of [from, to]) {
      ctx.moveTo(Math.round(x) + 0.5, 0)
      ctx.lineTo(Math.round(x) + 0.5, f.bands.height)
    }
    ctx.stroke()
    ctx.setLineDash([])
  })
}

function drawRect(ctx: CanvasRenderingContext2D, f: Frame, r: Rect): void {
  const colour = f.palette.classes[r.of]
  if (r.item?.kind === 'tile') return drawTile(ctx, f, r)
  ctx.fillStyle = colour.fill
  ctx.fillRect(r.x, r.y + 1, r.width, r.height - 2)
  if (r.hatched) {
    ctx.fillStyle = hatch(ctx, colour.line) ?? colour.line
    ctx.fillRect(r.x, r.y + 1, r.width, r.height - 2)
  }
  if (r.width >= 3) {
    ctx.strokeStyle = colour.line
    ctx.lineWidth = 1
    if (r.of === 'changing') ctx.setLineDash([3, 2])
    ctx.strokeRect(r.x + 0.5, r.y + 1.5, r.width - 1, r.height - 3)
    if (r.of === 'changing') ctx.setLineDash([])
  } else if (r.of !== 'free') {
    // A fill without an outline is too pale to be seen.
    ctx.fillStyle = colour.line
    ctx.fillRect(r.x, r.y + 1, r.width, r.height - 2)
  }
  if (r.front && r.cell) drawLabel(ctx, f, r, r.cell, colour.text, r.hatched ? colour.fill : undefined)
}

// drawTile draws a tile as a column: the used shares of its space from the bottom up.
function drawTile(ctx: CanvasRenderingContext2D, f: Frame, r: Rect): void {
  if (!r.item || !r.cell) return
  const high = f.bands.bands.find(b => b.y === r.y)?.height ?? 20
  const right = r.width > 3 ? r.width - 1 : r.width
  let bottom = r.y + r.height
  for (const { of, share } of sharesOf(r.item, f.mode)) {
    const part = Math.max(1, share * (r.height - high))
    ctx.fillStyle = of === 'free' ? f.palette.classes.free.fill : of === 'allocated' || right > 3 ? f.palette.classes[of].fill : f.palette.classes[of].line
    ctx.fillRect(r.x, bottom - part, right, part)
    if (of === 'held' || of === 'unmanaged') {
      ctx.fillStyle = hatch(ctx, f.palette.classes[of].line) ?? f.palette.classes[of].line
      ctx.fillRect(r.x, bottom - part, right, part)
    }
    if (of !== 'free') {
      ctx.fillStyle = f.palette.classes[of].line
      ctx.fillRect(r.x, bottom - part, right, 1)
    }
    bottom -= part
  }
  const colour = f.palette.classes.pool
  ctx.fillStyle = colour.fill
  ctx.fillRect(r.x, r.y + 1, right, high - 2)
  ctx.fillStyle = colour.line
  ctx.fillRect(r.x, r.y + 1, right, 1)
  if (right > 3) ctx.fillRect(r.x, r.y + 1, 1, r.height - 1)
  drawLabel(ctx, f, { ...r, height: high }, r.cell, colour.text, undefined)
}

function drawLabel(ctx: CanvasRenderingContext2D, f: Frame, r: Rect, cell: Cell, colour: string, halo: string | undefined): void {
  const left = Math.max(r.x, 0) + 5
  const room = Math.min(r.x + r.width, f.width) - left - 4
  if (room < 18 || r.height < 11) return
  const text = fitting(ctx, f.labelOf(cell), room)
  if (text === undefined) return
  const y = r.y + r.height / 2 + 0.5
  if (halo !== undefined) {
    ctx.fillStyle = halo
    ctx.fillRect(left - 2, y - 8, measure(ctx, text) + 4, 15)
  }
  ctx.fillStyle = colour
  ctx.fillText(text, left, y)
}

const widths = new Map<string, number>()

function measure(ctx: CanvasRenderingContext2D, text: string): number {
  let width = widths.get(text)
  if (width === undefined) {
    if (widths.size > 20_000) widths.clear()
    width = ctx.measureText(text).width
    widths.set(text, width)
  }
  return width
}

// fitting returns the first text that fits into the room, or the beginning of the first one.
function fitting(ctx: CanvasRenderingContext2D, texts: readonly string[], room: number): string | undefined {
  for (const text of texts) if (measure(ctx, text) <= room) return text
  const [first] = texts
  if (first === undefined || room < 48) return undefined
  const letters = Array.from(first)
  const cut = `${letters.slice(0, Math.max(1, Math.floor((room - 12) / 8))).join('')}…`
  return measure(ctx, cut) <= room ? cut : undefined
}

const hatches = new Map<string, CanvasPattern | null>()

function hatch(ctx: CanvasRenderingContext2D, colour: string): CanvasPattern | null {
  let pattern = hatches.get(colour)
  if (pattern === undefined) {
    const tile = document.createElement('canvas')
    tile.width = tile.height = 8
    const t = tile.getContext('2d')
    if (t) {
      t.strokeStyle = colour
      t.lineWidth = 1.6
      t.globalAlpha = 0.7
      t.beginPath()
      for (const shift of [-8, 0, 8]) {
        t.moveTo(shift - 1, 9)
        t.lineTo(shift + 9, -1)
      }
      t.stroke()
    }
    pattern = ctx.createPattern(tile, 'repeat')
    hatches.set(colour, pattern)
  }
  return pattern
}

function outline(ctx: CanvasRenderingContext2D, r: Rect, colour: string, line: number): void {
  ctx.strokeStyle = colour
  ctx.lineWidth = line
  if (r.width < 4) {
    ctx.fillStyle = colour
    ctx.fillRect(r.x, r.y + 1, Math.max(1, r.width), 3)
    return
  }
  ctx.strokeRect(r.x + 1, r.y + 2, r.width - 2, r.height - 4)
}

// mark outlines the cell that the pointer or the keyboard is at.
function mark(ctx: CanvasRenderingContext2D, f: Frame, cell: Cell | undefined, line: number): void {
  if (!cell) return
  const band = f.bands.bands.find(b => b.length === cell.cidr.length)
  const area = f.axis.areas.find(a => a.cidr.length <= cell.cidr.length && a.cidr.first <= cell.cidr.first && cell.cidr.first <= a.cidr.first + (1n << BigInt(a.cidr.bits - a.cidr.length)) - 1n)
  if (!band || !area) return
  let x0 = xOf(f.view, positionOf(area, cell.cidr.first), f.width)
  let x1 = xOf(f.view, positionOf(area, cell.cidr.first + (1n << BigInt(cell.cidr.bits - cell.cidr.length))), f.width)
  if (x1 < 0 || x0 > f.width) return
  if (x1 - x0 < 6) [x0, x1] = [(x0 + x1) / 2 - 3, (x0 + x1) / 2 + 3]
  x0 = Math.max(x0, -line * 2)
  x1 = Math.min(x1, f.width + line * 2)
  ctx.strokeStyle = f.palette.focus
  ctx.lineWidth = line
  ctx.strokeRect(x0 + line / 2, band.y + line / 2, x1 - x0 - line, band.height - line)
}

// hatchedClasses are shown hatched in the legend.
export const hatchedClasses: readonly Class[] = ['held', 'unmanaged']
