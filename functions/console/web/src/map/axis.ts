// The axis of the map: addresses from left to right. It shows the areas of the address space
// that hold something, one after the other, and leaves out the empty space between them.
//
// A position on the axis is an integer: an address has 2^16 positions or more, so that a view
// deep inside an IPv6 block is exact too.
import { contains, formatAddress, last, overlaps, size, type Cidr } from '../cidr'

export interface Area {
  cidr: Cidr
  weight: bigint // the width in units of the narrowest area
  from: bigint // the position of the first address
}

export interface Axis {
  areas: readonly Area[]
  width: bigint
}

// View is the part of the axis that is shown.
export interface View {
  from: bigint
  width: bigint
}

// Span is a range of addresses in one area, with both ends.
export interface Span {
  area: Area
  first: bigint
  last: bigint
}

const fraction = 16

// most is the number of areas of an axis.
const most = 12

// sparse is how many times an area may be as large as the blocks in it.
const sparse = 8

// join returns the smallest CIDR that contains both.
export function join(a: Cidr, b: Cidr): Cidr {
  let length = Math.min(a.length, b.length)
  while (length > 0 && (a.first ^ b.first) >> BigInt(a.bits - length) !== 0n) length--
  return cut(a, a.first, length)
}

// cut returns the CIDR of a length that contains an address.
export function cut(like: Cidr, address: bigint, length: number): Cidr {
  const host = BigInt(like.bits - length)
  return { family: like.family, bits: like.bits, first: (address >> host) << host, length }
}

export function order(a: Cidr, b: Cidr): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : a.length - b.length
}

// areasOf returns at most 12 CIDRs that contain all given ones. They leave out the largest
// empty parts of the space.
export function areasOf(cidrs: readonly Cidr[]): Cidr[] {
  const outer: Cidr[] = []
  for (const c of [...cidrs].sort(order)) {
    const before = outer.at(-1)
    if (!before || !contains(before, c)) outer.push(c)
  }
  const used = [0n]
  for (const c of outer) used.push((used.at(-1) ?? 0n) + size(c))
  const part = (lo: number, hi: number) => {
    const whole = join(outer[lo] as Cidr, outer[hi - 1] as Cidr)
    return { lo, hi, whole, ratio: Number(size(whole)) / Number((used[hi] ?? 0n) - (used[lo] ?? 0n)) }
  }
  if (outer.length === 0) return []
  const parts = [part(0, outer.length)]
  while (parts.length < most) {
    const at = parts.reduce((best, p, i) => (p.ratio > (parts[best]?.ratio ?? 0) ? i : best), 0)
    const emptiest = parts[at]
    if (!emptiest || emptiest.ratio <= sparse) break
    const middle = emptiest.whole.first + size(emptiest.whole) / 2n
    let split = emptiest.lo
    while ((outer[split]?.first ?? middle) < middle) split++
    parts.splice(at, 1, part(emptiest.lo, split), part(split, emptiest.hi))
  }
  return parts.map(p => p.whole)
}

// axisOf lays areas beside each other. A larger area is wider, up to four times.
export function axisOf(cidrs: readonly Cidr[]): Axis {
  const areas: Area[] = []
  const unit = 1n << BigInt((cidrs[0]?.bits ?? 32) + fraction)
  const largest = Math.min(...cidrs.map(c => c.length))
  let at = 0n
  for (const cidr of cidrs) {
    if (areas.length > 0) at += unit / 8n
    const weight = BigInt(Math.max(1, 4 - Math.floor((cidr.length - largest) / 3)))
    areas.push({ cidr, weight, from: at })
    at += unit * weight
  }
  return { areas, width: at }
}

function widthOf(area: Area, addresses: bigint): bigint {
  return (addresses << BigInt(fraction + area.cidr.length)) * area.weight
}

// positionOf returns the position of an address of an area.
export function positionOf(area: Area, address: bigint): bigint {
  return area.from + widthOf(area, address - area.cidr.first)
}

// addressAt returns the address at a position, and undefined between areas.
export function addressAt(axis: Axis, position: bigint): { area: Area; address: bigint } | undefined {
  for (const area of axis.areas) {
    if (position < area.from || position >= area.from + widthOf(area, size(area.cidr))) continue
    return { area, address: area.cidr.first + ((position - area.from) / area.weight >> BigInt(fraction + area.cidr.length)) }
  }
  return undefined
}

// positionAt returns the position at x of a view that is width pixels wide.
export function positionAt(view: View, x: number, width: number): bigint {
  return view.from + scaled(view.width, x / width)
}

// xOf returns the place of a position in pixels.
export function xOf(view: View, position: bigint, width: number): number {
  return (Number(position - view.from) / Number(view.width)) * width
}

function scaled(n: bigint, factor: number): bigint {
  return BigInt(Math.round(Number(n) * factor))
}

// all is the view of the whole axis, with a margin.
export function all(axis: Axis): View {
  const margin = axis.width >> 7n
  return { from: -margin, width: axis.width + 2n * margin }
}

// spanOf returns the part of the axis that a CIDR has: its own place in an area, or all areas
// inside it, or undefined.
export function spanOf(axis: Axis, cidr: Cidr): View | undefined {
  const around = axis.areas.find(a => contains(a.cidr, cidr))
  if (around) return { from: positionOf(around, cidr.first), width: widthOf(around, size(cidr)) }
  const inside = axis.areas.filter(a => contains(cidr, a.cidr))
  const [first, end] = [inside[0], inside.at(-1)]
  return first && end && { from: first.from, width: end.from + widthOf(end, size(end.cidr)) - first.from }
}

// fit returns the view that shows a CIDR as wide as possible, and a little around it.
export function fit(axis: Axis, cidr: Cidr): View | undefined {
  const span = spanOf(axis, cidr)
  if (!span) return undefined
  const margin = span.width / 24n
  return clamp(axis, { from: span.from - margin, width: span.width + 2n * margin })
}

// clamp keeps a view inside the axis, and at least eight addresses wide.
export function clamp(axis: Axis, view: View): View {
  const whole = all(axis)
  const area = addressAt(axis, view.from + view.width / 2n)?.area ?? axis.areas[0]
  const narrowest = area ? widthOf(area, size(area.cidr) < 8n ? size(area.cidr) : 8n) : 1n
  const width = view.width > whole.width ? whole.width : view.width < narrowest ? narrowest : view.width
  // A view that is too narrow or too wide grows or shrinks around its middle.
  let from = view.from + (view.width - width) / 2n
  const end = whole.from + whole.width - width
  if (from > end) from = end
  if (from < whole.from) from = whole.from
  return { from, width }
}

// zoomed returns a view that is a factor narrower. The point at the share `at` of the width, from
// 0 to 1, keeps its place.
export function zoomed(axis: Axis, view: View, factor: number, at: number): View {
  const width = scaled(view.width, 1 / factor)
  return clamp(axis, { from: view.from + scaled(view.width - width, at), width })
}

// transformed returns a view after a gesture that makes the place x of the screen k·x + shift.
export function transformed(axis: Axis, view: View, k: number, shift: number, width: number): View {
  return clamp(axis, { from: view.from + scaled(view.width, -shift / k / width), width: scaled(view.width, 1 / k) })
}

// moved returns a view that is moved by a share of its width.
export function moved(axis: Axis, view: View, share: number): View {
  return clamp(axis, { from: view.from + scaled(view.width, share), width: view.width })
}

// partway returns the view on the way from one to the other, t from 0 to 1. The zoom is even:
// each moment makes the view narrower by the same factor.
export function partway(a: View, b: View, t: number): View {
  if (t >= 1) return b
  const end = Number(b.width) / Number(a.width)
  const shift = Number(b.from - a.from) / Number(a.width)
  const width = end ** t
  const share = Math.abs(end - 1) < 1e-6 ? t : (1 - width) / (1 - end)
  return { from: a.from + scaled(a.width, shift * share), width: scaled(a.width, width) }
}

// shown returns the addresses of each area that a view shows.
export function shown(axis: Axis, view: View): Span[] {
  const spans: Span[] = []
  for (const area of axis.areas) {
    const end = area.from + widthOf(area, size(area.cidr))
    const [from, to] = [view.from > area.from ? view.from : area.from, view.from + view.width < end ? view.from + view.width : end]
    if (from >= to) continue
    const address = (p: bigint) => area.cidr.first + ((p - area.from) / area.weight >> BigInt(fraction + area.cidr.length))
    spans.push({ area, first: address(from), last: address(to - 1n) })
  }
  return spans
}

// windowsOf returns the CIDRs to ask the API for when a view needs more detail than the map of
// everything has: few, and the same ones for views that are close to each other.
export function windowsOf(axis: Axis, view: View): Cidr[] {
  const windows: Cidr[] = []
  for (const { area, first, last: end } of shown(axis, view)) {
    let host = 0
    while (1n << BigInt(host) < end - first + 1n) host++
    let length = area.cidr.bits - host
    length -= (length - area.cidr.length) % 2
    if (length < area.cidr.length + 2) continue
    for (let at = cut(area.cidr, first, length); at.first <= end; at = { ...at, first: at.first + size(at) }) windows.push(at)
  }
  return windows.slice(0, 4)
}

// ticksOf returns the addresses to write at the top: aligned ones, at least apart pixels from
// each other.
export function ticksOf(axis: Axis, view: View, width: number, apart: number): { x: number; text: string }[] {
  const ticks: { x: number; text: string }[] = []
  for (const { area, first, last: end } of shown(axis, view)) {
    const { cidr } = area
    const wide = (length: number) => (Number(widthOf(area, 1n << BigInt(cidr.bits - length))) / Number(view.width)) * width
    let length = cidr.length
    while (length < cidr.bits && wide(length + 1) >= apart) length++
    for (let at = cut(cidr, first, length); at.first <= end; at = { ...at, first: at.first + size(at) }) {
      const x = xOf(view, positionOf(area, at.first), width)
      const before = ticks.at(-1)
      if (x >= -1 && (!before || x - before.x >= apart * 0.6)) ticks.push({ x, text: formatAddress(cidr.family, at.first) })
      if (last(at) >= last(cidr)) break
    }
  }
  return ticks
}

// outside reports whether no area of the axis has a part of a CIDR.
export function outside(axis: Axis, cidr: Cidr): boolean {
  return !axis.areas.some(a => overlaps(a.cidr, cidr))
}
