// A space as a map or a table, with its path, legend and details.
import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Spinner from '@cloudscape-design/components/spinner'
import { useMemo, useRef, useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { type SpaceMap } from '../api/shapes'
import { contains, parseCidr, type Cidr } from '../cidr'
import { displayName, useScopeName, useScopes, type Pool } from '../data'
import { useFormat } from '../format'
import { Failure } from '../parts/error'
import { To } from '../parts/link'
import { common } from '../parts/text'
import { useMay } from '../session'
import { useText } from '../text'
import { useViewer } from '../viewer'
import { allocateAt, holeOf, suggested } from './allocate'
import { all, areasOf, axisOf, fit, outside, windowsOf, type Axis, type View } from './axis'
import { Chart, type ChartRef } from './chart'
import { classifier, paint, palettes, sharesOf, type Class, type Mode } from './colours'
import { useSpace, type Target } from './data'
import { Details } from './details'
import { type Hit } from './hit'
import { sameCell } from './keys'
import { bandsOf, type Scene } from './layout'
import { Legend } from './legend'
import { answerOf, inner, overlapping, type Cell, type Model } from './model'
import { useNames } from './names'
import { SpaceTable } from './table'
import { texts } from './text'

const room = 520 // the height that the rows of a map should have in all

interface Props {
  target: Target
  base: SpaceMap
  scope: string | undefined
  pool: Pool | undefined
  pools: readonly Pool[] | undefined
  cidr: string | undefined
  mode: Mode
  table: boolean
  set: (change: Record<string, string | undefined>, replace?: boolean) => void
}

export function Space({ target, base, scope, pool, pools, cidr, mode, table, set }: Props) {
  const t = useText(texts)
  const axis = useMemo(() => axisOf(areasOf(answerOf(base, undefined).items.map(i => i.cidr))), [base])
  const [rest, setRest] = useState<View>()
  const within = useMemo(() => parseCidr(cidr ?? ''), [cidr])
  const zoomed = useMemo(() => (within && fit(axis, within)) ?? all(axis), [axis, within])
  const windows = useMemo(() => (base.Detail === 'tiles' ? windowsOf(axis, table ? zoomed : (rest ?? zoomed)) : []), [base, axis, table, rest, zoomed])
  const space = useSpace(target, base, windows)
  const may = useMay()('AllocateIpamPoolCidr') && target.AtTime === undefined
  const [search] = useSearchParams()
  const zoomTo = (to: string | undefined) => {
    const next = new URLSearchParams(search)
    if (to === undefined) next.delete('cidr')
    else next.set('cidr', to)
    return `/map?${next.toString()}`
  }
  return (
    <SpaceBetween size="s">
      {within && outside(axis, within) ? <Alert type="info">{t.notHere(cidr ?? '')}</Alert> : null}
      {space.error ? <Failure error={space.error} retry={space.refresh} /> : null}
      <div className="map-tools">
        <Path model={space.model} within={within} zoomTo={zoomTo} />
        <Age map={space.newest ?? base} reading={space.reading} refresh={space.refresh} />
      </div>
      {table ? (
        <SpaceTable model={space.model} within={within && !outside(axis, within) ? within : undefined} pools={pools} mayAllocate={may} zoomTo={zoomTo} loading={space.reading} refresh={space.refresh} />
      ) : (
        // A new axis has other positions: the drawing begins anew.
        <Picture key={axis.areas.map(a => `${a.cidr.first}/${a.cidr.length}`).join()} axis={axis} model={space.model} scope={scope} pool={pool} pools={pools} cidr={cidr} mode={mode} may={may} at={target.AtTime} set={set} onRest={setRest} />
      )}
    </SpaceBetween>
  )
}

function Picture({ axis, model, scope, pool, pools, cidr, mode, may, at, set, onRest }: Pick<Props, 'scope' | 'pool' | 'pools' | 'cidr' | 'mode' | 'set'> & { axis: Axis; model: Model; may: boolean; at: string | undefined; onRest: (view: View) => void }) {
  const t = useText(texts)
  const { theme } = useViewer()
  const names = useNames()
  const navigate = useNavigate()
  const chart = useRef<ChartRef>(null)
  const [hover, setHover] = useState<Hit>()
  const [focused, setFocused] = useState<Cell>()
  const focus = useMemo(() => sameCell(model, focused) ?? cellOf(model, cidr), [model, focused, cidr])
  const [opened] = useState(() => Date.now())
  const now = at === undefined ? opened : Date.parse(at)
  const colours = useMemo(() => classifier(mode, model, now), [mode, model, now])
  const scene = useMemo((): Scene => ({ axis, model, paint: paint(model, colours), bands: bandsOf(axis, model, room), classOf: colours.classOf }), [axis, model, colours])
  const palette = palettes[theme]
  const label = useLabels(names.labels, model, pools)
  const shown = useMemo(() => ({ scene, mode, palette, labelOf: label, focus }), [scene, mode, palette, label, focus])
  const classes = useMemo(() => classesOf(scene, mode), [scene, mode])
  const overlaps = useMemo(() => model.cells.some(c => c.items.some(overlapping)), [model])
  const title = useTitle(pool, scope)

  const allocate = (cell: Cell, address?: bigint) => {
    const id = holeOf(cell)
    if (id === undefined || !may) return false
    void navigate(allocateAt(id, suggested(cell.cidr, pools?.find(p => p.IpamPoolId === id), address)))
    return true
  }
  const pick = (hit: Hit) => { if (!allocate(hit.cell, hit.address)) setFocused(hit.cell) }
  const hole = hover?.count === 1 && may && holeOf(hover.cell) !== undefined
  return (
    <Container>
      <SpaceBetween size="s">
        <div className="map-tools">
          <Legend classes={classes} overlaps={overlaps} tiled={model.tiled} classifier={colours} palette={palette} />
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="zoom-in" ariaLabel={t.zoomIn} onClick={() => chart.current?.zoom(2)} />
            <Button iconName="zoom-out" ariaLabel={t.zoomOut} onClick={() => chart.current?.zoom(0.5)} />
            <Button iconName="zoom-to-fit" ariaLabel={t.whole} onClick={() => chart.current?.whole()} />
          </SpaceBetween>
        </div>
        <div className="map-frame">
          <div className={hole ? 'map-hole' : undefined}>
            <Chart
              ref={chart}
              label={t.canvas(title)}
              shown={shown}
              cidr={cidr}
              said={names.said}
              onFocus={setFocused}
              onHover={setHover}
              onPick={pick}
              onAllocate={cell => allocate(cell)}
              onZoom={to => set({ cidr: to })}
              onTable={() => set({ view: 'table' }, true)}
              onRest={onRest}
            />
            <Box variant="small" color="text-body-secondary" display="block" margin={{ top: 'xs' }}>{t.keysShort}{may ? ` · ${t.hole}` : ''}{model.tiled ? ` · ${t.tiles}` : ''}</Box>
          </div>
          <div className="map-details" role="region" aria-label={t.details}>
            <Details hit={hover} cell={focus} scope={scope} pools={pools} mayAllocate={may} past={at !== undefined} onZoom={cell => set({ cidr: cell.text })} />
          </div>
        </div>
      </SpaceBetween>
    </Container>
  )
}

function cellOf(model: Model, cidr: string | undefined): Cell | undefined {
  const parsed = parseCidr(cidr ?? '')
  return parsed && model.cells.findLast(c => contains(c.cidr, parsed))
}

// useLabels keeps the labels of a model's cells: they are asked for in each frame.
function useLabels(labelsOf: (cell: Cell) => string[], model: Model, pools: readonly Pool[] | undefined): (cell: Cell) => readonly string[] {
  const { language } = useViewer()
  return useMemo(() => {
    const known = new Map<Cell, string[]>()
    return (cell: Cell) => {
      let labels = known.get(cell)
      if (!labels) {
        labels = labelsOf(cell)
        known.set(cell, labels)
      }
      return labels
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- labelsOf is new each time; it depends on these
  }, [model, pools, language])
}

function useTitle(pool: Pool | undefined, scope: string | undefined): string {
  const t = useText(texts)
  const name = useScopeName()
  const found = useScopes().data?.find(s => s.IpamScopeId === scope)
  if (pool) return displayName(pool.Tags, pool.IpamPoolId)
  return found ? name(found) : t.everything
}

// classesOf returns the classes that the cells and tiles of a scene have.
function classesOf(scene: Scene, mode: Mode): Set<Class> {
  const classes = new Set<Class>()
  for (const cell of scene.model.cells) {
    for (const item of cell.items) {
      if (item.kind === 'tile') for (const { of } of sharesOf(item, mode)) classes.add(of)
      else if (item === inner(cell) || item.kind === 'pool') classes.add(scene.classOf(item))
    }
  }
  return classes
}

// Path shows the blocks around the one that is zoomed to, as links to zoom out.
function Path({ model, within, zoomTo }: { model: Model; within: Cidr | undefined; zoomTo: (cidr: string | undefined) => string }) {
  const t = useText(texts)
  const names = useNames()
  const around = within ? model.cells.filter(c => contains(c.cidr, within)) : []
  return (
    <nav aria-label={t.path}>
      <ol className="map-path">
        <li>{within ? <To href={zoomTo(undefined)}>{t.everything}</To> : <b>{t.everything}</b>}</li>
        {around.map((cell, i) => {
          const name = names.name(inner(cell))
          const text = name === '' ? cell.text : `${name} (${cell.text})`
          return <li key={cell.text}>{i === around.length - 1 ? <b>{text}</b> : <To href={zoomTo(cell.text)}>{text}</To>}</li>
        })}
      </ol>
    </nav>
  )
}

// Age shows how old the map is, and reads it again.
function Age({ map, reading, refresh }: { map: SpaceMap; reading: boolean; refresh: () => void }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const ago = map.AsOf === undefined ? '' : Date.now() - Date.parse(map.AsOf) < 60_000 ? t.now : f.ago(map.AsOf)
  return (
    <SpaceBetween direction="horizontal" size="xs" alignItems="center">
      {reading ? <><Spinner /> {t.more}</> : null}
      <span title={map.AsOf === undefined ? undefined : f.time(map.AsOf)}><Box variant="span" color="text-body-secondary">{map.Source === 'history' ? t.past : map.Source === 'summary' ? t.summary(ago) : t.live(ago)}</Box></span>
      <Button iconName="refresh" ariaLabel={c.refresh} onClick={refresh} />
    </SpaceBetween>
  )
}
