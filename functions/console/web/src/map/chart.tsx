// The map as a picture: the canvas with its keys, and its text for screen readers.
import { useEffect, useId, useImperativeHandle, useRef, useState, type KeyboardEvent, type Ref } from 'react'
import { parseCidr } from '../cidr'
import { useText } from '../text'
import { type View } from './axis'
import { type Hit } from './hit'
import { isMove, move } from './keys'
import { type Cell } from './model'
import { Stage, type Shown } from './stage'
import { texts } from './text'
import './map.css'

export interface ChartRef {
  zoom: (factor: number) => void
  whole: () => void
}

interface Props {
  ref?: Ref<ChartRef>
  label: string
  shown: Shown
  cidr: string | undefined // the block that the address of the page zooms to
  said: (cell: Cell) => string
  onFocus: (cell: Cell | undefined) => void
  onHover: (hit: Hit | undefined) => void
  onPick: (hit: Hit) => void
  onAllocate: (cell: Cell) => void
  onZoom: (cidr: string | undefined) => void
  onTable: () => void
  onRest: (view: View) => void
}

export function Chart({ ref, label, shown, cidr, said, onFocus, onHover, onPick, onAllocate, onZoom, onTable, onRest }: Props) {
  const t = useText(texts)
  const help = useId()
  const canvas = useRef<HTMLCanvasElement>(null)
  const stage = useRef<Stage>(null)
  const gone = useRef<string | null>(null) // the zoom that the view has or moves to
  const [spoken, setSpoken] = useState('')
  const { focus } = shown
  const { model } = shown.scene

  // enter zooms to a cell, or with undefined to everything.
  const enter = (cell: Cell | undefined) => {
    gone.current = cell?.text ?? ''
    stage.current?.fit(cell?.cidr)
    onZoom(cell?.text)
  }
  const events = useRef({ onHover, onPick, onRest, enter })
  useEffect(() => { events.current = { onHover, onPick, onRest, enter } })

  // The stage lives as long as the canvas; later values reach it by show.
  const first = useRef(shown)
  useEffect(() => {
    if (!canvas.current) return
    const made = new Stage(canvas.current, first.current, {
      hover: h => events.current.onHover(h), pick: h => events.current.onPick(h), enter: c => events.current.enter(c), rest: v => events.current.onRest(v),
    })
    stage.current = made
    // The measurements of the benchmark read the frames.
    Object.assign(canvas.current, { stage: made })
    return () => made.close()
  }, [])
  useEffect(() => stage.current?.show(shown), [shown])
  useEffect(() => {
    if (gone.current === (cidr ?? '')) return
    const start = gone.current === null
    gone.current = cidr ?? ''
    if (start && cidr === undefined) return
    stage.current?.fit(cidr === undefined ? undefined : parseCidr(cidr))
  }, [cidr])
  useImperativeHandle(ref, () => ({
    zoom: factor => stage.current?.zoom(factor, focus),
    whole: () => enter(undefined),
  }))

  const key = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    if (!act(e.key)) return
    e.preventDefault()
    e.stopPropagation()
  }
  const go = (cell: Cell | undefined) => {
    if (!cell) return
    onFocus(cell)
    setSpoken(said(cell))
    stage.current?.reveal(cell)
  }
  const act = (key: string): boolean => {
    if (isMove(key)) {
      go(move(model, focus, key))
      return true
    }
    switch (key) {
      case 'Enter': if (focus) enter(focus); else go(model.roots[0]); return true
      case 'Escape': case 'Backspace': {
        const cell = stage.current?.out()
        gone.current = cell?.text ?? ''
        onZoom(cell?.text)
        if (cell) { onFocus(cell); setSpoken(said(cell)) }
        return true
      }
      case '+': case '=': case ';': stage.current?.zoom(2, focus); return true
      case '-': case '_': stage.current?.zoom(0.5, focus); return true
      case '0': enter(undefined); return true
      case 'a': case 'A': if (focus) onAllocate(focus); return true
      case 't': case 'T': onTable(); return true
      default: return false
    }
  }
  return (
    <>
      <div className="map-chart" role="application" tabIndex={0} aria-label={label} aria-describedby={help} onKeyDown={key} onFocus={() => { if (!focus) go(model.roots[0]) }}>
        <canvas ref={canvas} aria-hidden="true" className="map-canvas" style={{ blockSize: `${shown.scene.bands.height + 24}px` }} />
      </div>
      <div id={help} className="map-unseen">{t.keys}</div>
      <div className="map-unseen" aria-live="polite">{spoken}</div>
    </>
  )
}
