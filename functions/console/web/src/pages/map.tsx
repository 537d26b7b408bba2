import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import FormField from '@cloudscape-design/components/form-field'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import Select from '@cloudscape-design/components/select'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useId, useMemo, useState, type ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import { type AddressFamily } from '../api/shapes'
import { parseCidr } from '../cidr'
import { displayName, idOf, usePools, type Pool } from '../data'
import { modes, type Mode } from '../map/colours'
import { useSpaceMap, type Target } from '../map/data'
import { momentOf } from '../map/moment'
import { Past, PastButton } from '../map/past'
import { Space } from '../map/space'
import { texts } from '../map/text'
import { Failure } from '../parts/error'
import { Loading } from '../parts/loading'
import { Page } from '../parts/page'
import { ScopeSelect, useScope } from '../parts/scope'
import { common } from '../parts/text'
import { useText } from '../text'
import '../map/map.css'

// The address of the page holds all that is chosen: ?scope=… or ?pool=…, family, cidr (the block
// that is zoomed to), colour, view, and at, a time of the past.
export function SpaceMapPage() {
  const t = useText(texts)
  const [search, setSearch] = useSearchParams()
  const place = useScope()
  const pools = usePools()
  const id = search.get('pool') ?? undefined
  const pool = pools.data?.find(p => p.IpamPoolId === id)
  const scope = place.scopes?.find(s => s.IpamScopeId === idOf(pool?.IpamScopeArn)) ?? place.scope
  const cidr = search.get('cidr') ?? undefined
  const family = familyOf(pool, search.get('family'), cidr)
  const scopeId = scope?.IpamScopeId
  const at = momentOf(search.get('at'))
  const [choosing, setChoosing] = useState(false)
  const target = useMemo((): Target | undefined => {
    const past = at === undefined ? {} : { AtTime: at }
    if (id !== undefined) return { IpamPoolId: id, ...past }
    return scopeId === undefined ? undefined : { IpamScopeId: scopeId, AddressFamily: family, ...past }
  }, [id, scopeId, family, at])

  const set = (change: Record<string, string | undefined>, replace = false) => setSearch(old => {
    const next = new URLSearchParams(old)
    for (const [key, value] of Object.entries(change)) if (value === undefined) next.delete(key); else next.set(key, value)
    return next
  }, { replace })
  const failed = place.error ?? pools.error
  return (
    <Page title={t.title} description={t.help} actions={at === undefined && !choosing ? <PastButton open={() => setChoosing(true)} /> : null}>
      <SpaceBetween size="l">
        <Controls pool={pool} id={id} scope={scope} scopes={place.scopes} pools={pools.data} family={family} mode={modeOf(search.get('colour'))} table={search.get('view') === 'table'} set={set} />
        <Past at={at} choose={value => { setChoosing(false); set({ at: value }) }} choosing={choosing} setChoosing={setChoosing} />
        {failed ? <Failure error={failed} /> : target ? <Shown key={JSON.stringify(target)} target={target} scope={scopeId} pool={pool} pools={pools.data} cidr={cidr} mode={modeOf(search.get('colour'))} table={search.get('view') === 'table'} set={set} /> : place.loading ? <Loading /> : <Box color="text-body-secondary">{t.noScope}</Box>}
      </SpaceBetween>
    </Page>
  )
}

function familyOf(pool: Pool | undefined, asked: string | null, cidr: string | undefined): AddressFamily {
  if (pool) return pool.AddressFamily === 'ipv6' ? 'ipv6' : 'ipv4'
  if (asked === 'ipv4' || asked === 'ipv6') return asked
  return parseCidr(cidr ?? '')?.family === 6 ? 'ipv6' : 'ipv4'
}

function modeOf(asked: string | null): Mode {
  return modes.find(m => m === asked) ?? 'state'
}

export type Set = (change: Record<string, string | undefined>, replace?: boolean) => void

function Controls({ pool, id, scope, scopes, pools, family, mode, table, set }: { pool: Pool | undefined; id: string | undefined; scope: ReturnType<typeof useScope>['scope']; scopes: ReturnType<typeof useScope>['scopes']; pools: readonly Pool[] | undefined; family: AddressFamily; mode: Mode; table: boolean; set: Set }) {
  const t = useText(texts)
  const c = useText(common)
  const every = { value: '', label: t.allPools }
  const option = (p: Pool) => ({ value: p.IpamPoolId ?? '', label: displayName(p.Tags, p.IpamPoolId), description: [p.IpamPoolId, p.Description].filter(s => s !== undefined && s !== '').join(' · ') })
  const inScope = (pools ?? []).filter(p => idOf(p.IpamScopeArn) === scope?.IpamScopeId)
  return (
    <div className="map-controls">
      <ScopeSelect scope={scope} scopes={scopes} choose={value => set({ scope: value, pool: undefined, cidr: undefined })} />
      <FormField label={c.pool}>
        <Select
          selectedOption={pool ? option(pool) : id === undefined ? every : { value: id, label: id }}
          options={[every, ...inScope.map(option)]}
          filteringType={inScope.length > 8 ? 'auto' : 'none'}
          onChange={e => { const value = e.detail.selectedOption.value ?? ''; set({ scope: scope?.IpamScopeId, pool: value === '' ? undefined : value, cidr: undefined, family: undefined }) }}
        />
      </FormField>
      <FormField label={t.colour}>
        <Select selectedOption={{ value: mode, label: t.modes[mode] }} options={modes.map(value => ({ value, label: t.modes[value] }))} onChange={e => set({ colour: e.detail.selectedOption.value === 'state' ? undefined : e.detail.selectedOption.value }, true)} />
      </FormField>
      <div className="map-choices">
        {pool ? null : <Choice label={t.family}>{label => <SegmentedControl ariaLabelledby={label} selectedId={family} options={[{ id: 'ipv4', text: 'IPv4' }, { id: 'ipv6', text: 'IPv6' }]} onChange={e => set({ family: e.detail.selectedId, cidr: undefined })} />}</Choice>}
        <Choice label={t.view}>{label => <SegmentedControl ariaLabelledby={label} selectedId={table ? 'table' : 'map'} options={[{ id: 'map', text: t.map }, { id: 'table', text: t.table }]} onChange={e => set({ view: e.detail.selectedId === 'table' ? 'table' : undefined }, true)} />}</Choice>
      </div>
    </div>
  )
}

function Choice({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId()
  return <div><div id={id} className="map-choice">{label}</div>{children(id)}</div>
}

function Shown({ target, scope, pool, pools, cidr, mode, table, set }: { target: Target; scope: string | undefined; pool: Pool | undefined; pools: readonly Pool[] | undefined; cidr: string | undefined; mode: Mode; table: boolean; set: Set }) {
  const t = useText(texts)
  const c = useText(common)
  const { data, error, isPending, refetch } = useSpaceMap(target)
  if (error && !data) return <Failure error={error} retry={() => void refetch()} />
  if (isPending || !data) return <Loading />
  if ((data.Blocks ?? []).length + (data.Resources ?? []).length + (data.Tiles ?? []).length === 0) {
    return (
      <Container>
        <Box textAlign="center" color="text-body-secondary" padding="l">
          <SpaceBetween size="s">
            <div>{target.IpamPoolId === undefined ? t.empty : t.emptyPool}</div>
            <Button iconName="refresh" onClick={() => void refetch()}>{c.refresh}</Button>
          </SpaceBetween>
        </Box>
      </Container>
    )
  }
  return (
    <>
      {error ? <Alert type="warning">{String(error)}</Alert> : null}
      <Space target={target} base={data} scope={scope} pool={pool} pools={pools} cidr={cidr} mode={mode} table={table} set={set} />
    </>
  )
}
