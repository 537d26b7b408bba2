// The canvas of the map: it holds the view, draws it when something changes, and follows the
// pointer. React knows of the view only when it rests.
import { select } from 'd3-selection'
import { zoom, zoomIdentity, type D3ZoomEvent } from 'd3-zoom'
import { type Cidr } from '../cidr'
import { all, fit, partway, ticksOf, transformed, zoomed, type View } from './axis'
import { type Mode, type Palette } from './colours'
import { draw, gutter, head } from './draw'
import { hit, type Hit } from './hit'
import { outOf, reveal } from './keys'
import { layout, type Scene } from './layout'
import { type Cell } from './model'

export interface Shown {
  scene: Scene
  mode: Mode
  palette: Palette
  labelOf: (cell: Cell) => readonly string[]
  focus: Cell | undefined
}

export interface Events {
  hover: (hit: Hit | undefined) => void
  pick: (hit: Hit) => void // a click
  enter: (cell: Cell) => void // a double click
  rest: (view: View) => void // the view has changed and rests
}

const settle = 150 // milliseconds without a change until the view rests
const travel = 260 // milliseconds of a zoom by keyboard

export class Stage {
  view: View
  // frames are the durations of the last frames in milliseconds, for measurements.
  readonly frames: number[] = []
  firstAt: number | undefined // when the first frame was drawn
  private width = 0
  private asked = 0
  private resting: ReturnType<typeof setTimeout> | undefined
  private flight: { from: View; to: View; start: number } | undefined
  private hovered: Hit | undefined
  private readonly observer: ResizeObserver | undefined
  private readonly stop = new AbortController()

  constructor(private readonly canvas: HTMLCanvasElement, private shown: Shown, private readonly events: Events) {
    this.view = all(shown.scene.axis)
    this.followGestures()
    this.followPointer()
    if (typeof ResizeObserver === 'function') {
      this.observer = new ResizeObserver(() => this.resize())
      this.observer.observe(canvas)
    }
    this.resize()
  }

  close(): void {
    this.stop.abort()
    this.observer?.disconnect()
    cancelAnimationFrame(this.asked)
    clearTimeout(this.resting)
    select(this.canvas).on('.zoom', null)
  }

  // show replaces the cells, and keeps the view.
  show(shown: Shown): void {
    const resized = shown.scene.bands.height !== this.shown.scene.bands.height
    this.shown = shown
    if (resized) this.resize()
    this.ask()
  }

  get mapWidth(): number {
    return this.width
  }

  // go moves the view to another one, in one step for those who want no motion.
  go(to: View): void {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    this.flight = still ? undefined : { from: this.view, to, start: performance.now() }
    if (still) this.set(to)
    else this.ask()
  }

  fit(cidr: Cidr | undefined): void {
    const { axis } = this.shown.scene
    this.go((cidr && fit(axis, cidr)) ?? all(axis))
  }

  // zoom makes the view narrower by a factor, around a cell or the middle.
  zoom(factor: number, cell?: Cell): void {
    const { axis } = this.shown.scene
    const around = cell && fit(axis, cell.cidr)
    const to = this.flight?.to ?? this.view
    const middle = around ? Number(around.from + around.width / 2n - to.from) / Number(to.width) : 0.5
    this.go(zoomed(axis, to, factor, middle > 0 && middle < 1 ? middle : 0.5))
  }

  reveal(cell: Cell): void {
    const from = this.flight?.to ?? this.view
    const to = reveal(this.shown.scene.axis, from, cell)
    if (to !== from) this.go(to)
  }

  // out zooms to the block around the view, and returns it.
  out(): Cell | undefined {
    const { axis, model } = this.shown.scene
    const { cell, view } = outOf(axis, model, this.flight?.to ?? this.view)
    this.go(view)
    return cell
  }

  private set(view: View): void {
    this.view = view
    this.ask()
    clearTimeout(this.resting)
    this.resting = setTimeout(() => this.events.rest(this.view), settle)
  }

  private resize(): void {
    const box = this.canvas.getBoundingClientRect()
    const ratio = window.devicePixelRatio || 1
    this.width = Math.max(1, box.width - gutter)
    this.canvas.width = Math.max(1, Math.round(box.width * ratio))
    this.canvas.height = Math.max(1, Math.round((head + this.shown.scene.bands.height) * ratio))
    // The size of the canvas clears it; an empty moment would flicker.
    this.render()
  }

  private ask(): void {
    if (this.asked === 0) this.asked = requestAnimationFrame(now => this.frame(now))
  }

  private frame(now: number): void {
    this.asked = 0
    if (this.flight) {
      const { from, to, start } = this.flight
      const t = Math.min(1, Math.max(0, (now - start) / travel))
      if (t >= 1) this.flight = undefined
      this.set(partway(from, to, 1 - (1 - t) ** 3))
    }
    const began = performance.now()
    this.render()
    this.frames.push(performance.now() - began)
    if (this.frames.length > 300) this.frames.shift()
  }

  private render(): void {
    const ctx = this.canvas.getContext('2d')
    if (!ctx) return
    this.firstAt ??= performance.now()
    const { scene, mode, palette, labelOf, focus } = this.shown
    draw(ctx, {
      rects: layout(scene, this.view, this.width), bands: scene.bands, axis: scene.axis, view: this.view, width: this.width,
      ticks: ticksOf(scene.axis, this.view, this.width, scene.axis.areas[0]?.cidr.family === 6 ? 190 : 110),
      mode, palette, labelOf, focus, hover: this.hovered?.count === 1 ? this.hovered.cell : undefined, ratio: window.devicePixelRatio || 1,
    })
  }

  private followGestures(): void {
    let start = this.view
    const gestures = zoom<HTMLCanvasElement, unknown>()
      .scaleExtent([1e-9, 1e9])
      .clickDistance(4)
      .extent(() => [[gutter, 0], [gutter + this.width, 1]])
      .on('start', () => {
        this.flight = undefined
        start = this.view
      })
      .on('zoom', (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        const { k, x } = event.transform
        // The gesture is in pixels of the canvas, the view in those of the map.
        this.set(transformed(this.shown.scene.axis, start, k, k * gutter + x - gutter, this.width))
      })
      // Each gesture begins anew: the numbers of one long zoom would become too large to be exact.
      .on('end', () => Object.assign(this.canvas, { __zoom: zoomIdentity }))
    select(this.canvas).call(gestures).on('dblclick.zoom', null)
  }

  private followPointer(): void {
    const { signal } = this.stop
    const at = (e: MouseEvent) => {
      const box = this.canvas.getBoundingClientRect()
      return hit(this.shown.scene, this.view, this.width, e.clientX - box.left - gutter, e.clientY - box.top - head)
    }
    const hover = (found: Hit | undefined) => {
      if (found?.cell === this.hovered?.cell && found?.count === this.hovered?.count) return
      this.hovered = found
      this.events.hover(found)
      this.ask()
    }
    this.canvas.addEventListener('pointermove', e => { if (e.buttons === 0) hover(at(e)) }, { signal })
    this.canvas.addEventListener('pointerleave', () => hover(undefined), { signal })
    this.canvas.addEventListener('click', e => {
      const found = at(e)
      if (!found) return
      if (found.count > 1) this.zoomAt(e)
      else this.events.pick(found)
    }, { signal })
    this.canvas.addEventListener('dblclick', e => {
      const found = at(e)
      if (found?.count === 1) this.events.enter(found.cell)
    }, { signal })
  }

  // zoomAt zooms to where blocks are too narrow to choose one.
  private zoomAt(e: MouseEvent): void {
    const x = e.clientX - this.canvas.getBoundingClientRect().left - gutter
    this.go(zoomed(this.shown.scene.axis, this.view, 8, x / this.width))
  }
}
