// The acts on resources: ignore, stop ignoring, move to another scope, import.
import Box from '@cloudscape-design/components/box'
import ButtonDropdown from '@cloudscape-design/components/button-dropdown'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../api/call'
import { contains, parseCidr } from '../cidr'
import { displayName, idOf, usePools, useScopeName, useScopes, type Resource } from '../data'
import { Failure } from '../parts/error'
import { query, To } from '../parts/link'
import { Loading } from '../parts/loading'
import { useMay } from '../session'
import { useText } from '../text'
import { useAct } from './act'
import { asking } from './dialogtext'
import { ChoiceField } from './fields'
import { Dialog, useChecked } from './form'
import { step } from './plan'
import { acting } from './text'

type Kind = 'ignore' | 'watch' | 'move' | 'import'

// ResourceActs are the acts on the selected resource of a list.
export function ResourceActs({ selected }: { selected: readonly Resource[] }) {
  const t = useText(asking)
  const may = useMay()
  const scopes = useScopes().data
  const [open, setOpen] = useState<{ kind: Kind; resource: Resource }>()
  const one = selected[0]
  if (!may('ModifyIpamResourceCidr') && !may('ModifyIpamPool')) return null
  const fits = one?.ResourceType === 'vpc' && scopes?.find(s => s.IpamScopeId === one.IpamScopeId)?.IpamScopeType === 'private'
  const ignored = one?.ManagementState === 'ignored'
  const items = [
    ...(may('ModifyIpamPool') ? [{ id: 'import', text: t.import, disabled: one?.ManagementState !== 'unmanaged' }] : []),
    ...(may('ModifyIpamResourceCidr') ? [{ id: 'ignore', text: t.ignore, disabled: ignored }, { id: 'watch', text: t.watch, disabled: !ignored }, { id: 'move', text: t.move, disabled: ignored }] : []),
  ]
  const close = () => setOpen(undefined)
  const dialogs = { ignore: Ignore, watch: Watch, move: Move, import: Import }
  const Open = open && dialogs[open.kind]
  return (
    <>
      <ButtonDropdown items={items} disabled={!fits} disabledReason={one ? t.onlyVpcs : t.select} onItemClick={e => { if (one) setOpen({ kind: e.detail.id as Kind, resource: one }) }}>{t.actions}</ButtonDropdown>
      {open && Open ? <Open resource={open.resource} close={close} /> : null}
    </>
  )
}

interface Props {
  resource: Resource
  close: () => void
}

function modify(r: Resource, change: { Monitored: boolean; DestinationIpamScopeId?: string }) {
  return [step('resource', 'ModifyIpamResourceCidr', {
    ResourceId: r.ResourceId ?? '', ResourceCidr: r.ResourceCidr ?? '', ResourceRegion: r.ResourceRegion ?? '', CurrentIpamScopeId: r.IpamScopeId ?? '', ...change,
  })]
}

const none = {}

function linkTo(r: Resource, scope: string | undefined) {
  return <To href={query('/resources', { scope, 'resource-id': r.ResourceId })} color="inverted">{r.ResourceId}</To>
}

function Ignore({ resource: r, close }: Props) {
  const t = useText(asking)
  const id = r.ResourceId ?? ''
  const checked = useChecked(none)
  const act = useAct({ outcome: () => ({ header: t.resource_.ignored(id), content: linkTo(r, r.IpamScopeId) }), then: close })
  return <Dialog {...checked} title={t.resource_.ignore(id)} plan={modify(r, { Monitored: false })} effects={[t.resource_.ignoreWhat(r.ResourceCidr ?? ''), t.resource_.follow, t.resource_.ignoreCare]} act={act} faults={none} submitLabel={t.ignore} close={close} />
}

function Watch({ resource: r, close }: Props) {
  const t = useText(asking)
  const id = r.ResourceId ?? ''
  const checked = useChecked(none)
  const act = useAct({ outcome: () => ({ header: t.resource_.watched(id), content: linkTo(r, r.IpamScopeId) }), then: close })
  return <Dialog {...checked} title={t.resource_.watch(id)} plan={modify(r, { Monitored: true })} effects={[t.resource_.watchWhat(r.ResourceCidr ?? ''), t.resource_.follow]} act={act} faults={none} submitLabel={t.watch} close={close} />
}

function Move({ resource: r, close }: Props) {
  const t = useText(asking)
  const a = useText(acting)
  const scopeName = useScopeName()
  const scopes = useScopes().data
  const own = scopes?.find(s => s.IpamScopeId === r.IpamScopeId)
  const others = scopes?.filter(s => s.IpamScopeType === 'private' && s.IpamScopeId !== r.IpamScopeId && s.IpamArn === own?.IpamArn)
  const [chosen, setChosen] = useState<string>()
  const to = others?.find(s => s.IpamScopeId === chosen) ?? (others?.length === 1 ? others[0] : undefined)
  const id = r.ResourceId ?? ''
  const faults = { scope: to === undefined ? a.faults.choose : undefined }
  const checked = useChecked(faults)
  const act = useAct({ outcome: () => ({ header: t.resource_.moved(id), content: linkTo(r, to?.IpamScopeId) }), then: close })
  return (
    <Dialog {...checked} title={t.resource_.move(id)} plan={to && modify(r, { Monitored: true, DestinationIpamScopeId: to.IpamScopeId ?? '' })} effects={to ? [t.resource_.moveWhat(r.ResourceCidr ?? '', scopeName(to)), t.resource_.follow] : []} act={act} faults={faults} submitLabel={t.move} close={close}>
      {others?.length === 0 ? <StatusIndicator type="warning">{t.resource_.noScope} <To href={query('/create', { step: 'scope', ipam: idOf(own?.IpamArn) })}>{t.createScope}</To></StatusIndicator> : (
        <ChoiceField label={t.resource_.to} choices={(others ?? []).map(s => ({ value: s.IpamScopeId ?? '', label: scopeName(s), description: s.IpamScopeId }))} value={to?.IpamScopeId} set={setChosen} fault={checked.shown['scope']} />
      )}
    </Dialog>
  )
}

// Import switches the import of a pool on that has the resource in its space: the API imports by pool, not by resource.
function Import({ resource: r, close }: Props) {
  const t = useText(asking)
  const a = useText(acting)
  const pools = usePools().data
  const [chosen, setChosen] = useState<string>()
  const cidr = parseCidr(r.ResourceCidr ?? '')
  const input = { IpamScopeId: r.IpamScopeId ?? '', Cidr: r.ResourceCidr ?? '', ...(cidr?.family === 6 ? { AddressFamily: 'ipv6' as const } : {}) }
  const map = useQuery({ queryKey: ['GetIpamSpaceMap', input], queryFn: async ({ signal }) => (await call('GetIpamSpaceMap', input, { signal })).IpamSpaceMap })
  const around = (map.data?.Blocks ?? []).flatMap(b => {
    const block = parseCidr(b.Cidr ?? '')
    return b.State === 'pool' && block && cidr && contains(block, cidr) ? [{ length: block.length, pool: pools?.find(p => p.IpamPoolId === b.ChildIpamPoolId) }] : []
  })
  // The deepest pool comes first.
  const fit = around.sort((x, y) => (y.pool?.PoolDepth ?? 0) - (x.pool?.PoolDepth ?? 0)).flatMap(x => (x.pool && x.pool.Locale === r.ResourceRegion ? [x.pool] : []))
  const pool = fit.find(p => p.IpamPoolId === chosen) ?? fit[0]
  const name = pool ? displayName(pool.Tags, pool.IpamPoolId) : ''
  const id = r.ResourceId ?? ''
  const faults = { pool: pool === undefined ? a.faults.choose : undefined }
  const checked = useChecked(faults)
  const act = useAct({ outcome: () => ({ header: t.resource_.imports(name), content: <To href={`/pools/${encodeURIComponent(pool?.IpamPoolId ?? '')}?tab=rules`} color="inverted">{name}</To> }), then: close })
  const plan = pool && (pool.AutoImport === true ? [] : [step('pool', 'ModifyIpamPool', { IpamPoolId: pool.IpamPoolId ?? '', AutoImport: true })])
  return (
    <Dialog {...checked} title={t.resource_.import(id)} plan={plan} effects={[t.resource_.importWhat(name), t.resource_.importAll(r.ResourceCidr ?? '')]} act={act} faults={faults} submitLabel={t.import} close={close}>
      {map.error ? <Failure error={map.error} /> : map.isPending || !pools ? <Loading /> : fit.length === 0 ? <StatusIndicator type="warning">{t.resource_.noPool(r.ResourceRegion ?? '')}</StatusIndicator> : (
        <SpaceBetween size="s">
          <ChoiceField label={t.resource_.pool} choices={fit.map(p => ({ value: p.IpamPoolId ?? '', label: displayName(p.Tags, p.IpamPoolId), description: p.IpamPoolId }))} value={pool?.IpamPoolId} set={setChosen} fault={checked.shown['pool']} />
          {pool?.AutoImport === true ? <Box>{t.resource_.importOn(name)}</Box> : null}
        </SpaceBetween>
      )}
    </Dialog>
  )
}
