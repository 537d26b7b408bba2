// The acts on pools: their CIDRs, shares and tags, and their deletion.
import Button from '@cloudscape-design/components/button'
import ButtonDropdown, { type ButtonDropdownProps } from '@cloudscape-design/components/button-dropdown'
import FormField from '@cloudscape-design/components/form-field'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { collect } from '../api/paging'
import { contains, parseCidr } from '../cidr'
import { allocationsOf, displayName, usePoolNames, type Pool, type PoolCidr, type Share } from '../data'
import { useFormat } from '../format'
import { query, To } from '../parts/link'
import { texts as creating } from '../pages/create/text'
import { useMay } from '../session'
import { useText } from '../text'
import { useAct } from './act'
import { asking } from './dialogtext'
import { CidrField, LengthField, TextField, useCidrFault } from './fields'
import { Dialog, useChecked } from './form'
import { step } from './plan'
import { DeletePool } from './remove'
import { TagsDialog } from './tags'
import { acting } from './text'
import { canonical, principalFault, provisionLengths, type Family } from './values'

// PoolActs are the acts on one pool.
export function PoolActs({ pool, id }: { pool: Pool; id: string }) {
  const t = useText(asking)
  const may = useMay()
  const navigate = useNavigate()
  const [open, setOpen] = useState<string>()
  const to = `/pools/${encodeURIComponent(id)}`
  // A resource planning pool has no pools below it, and gives space to subnets only.
  const planning = pool.SourceResource?.ResourceId !== undefined
  const items: ButtonDropdownProps.Item[] = [
    ...(may('ModifyIpamPool') ? [{ id: 'edit', text: t.change }] : []),
    ...(may('ProvisionIpamPoolCidr') ? [{ id: 'provision', text: t.provision }] : []),
    ...(may('CreateIpamPool') && !planning ? [{ id: 'below', text: t.poolBelow }] : []),
    ...(may('PutIpamPoolShare') ? [{ id: 'share', text: t.share }] : []),
    ...(may('CreateTags') && may('DeleteTags') ? [{ id: 'tags', text: t.editTags }] : []),
    ...(may('DeleteIpamPool') ? [{ id: 'delete', text: t.delete }] : []),
  ]
  const close = () => setOpen(undefined)
  const begin = (act: string) => {
    if (act === 'edit') void navigate(`${to}/edit`)
    else if (act === 'below') void navigate(query('/create', { step: 'pool', source: id }))
    else setOpen(act)
  }
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {items.length === 0 ? null : <ButtonDropdown items={items} onItemClick={e => begin(e.detail.id)}>{t.actions}</ButtonDropdown>}
      {may('AllocateIpamPoolCidr') && !planning ? <Button variant="primary" onClick={() => void navigate(`${to}/allocate`)}>{t.allocate}</Button> : null}
      {open === 'provision' ? <Provision pool={pool} id={id} close={close} /> : null}
      {open === 'share' ? <ShareDialog pool={pool} id={id} close={close} /> : null}
      {open === 'tags' ? <TagsDialog id={id} name={displayName(pool.Tags, id)} tags={pool.Tags} close={close} /> : null}
      {open === 'delete' ? <DeletePool pool={pool} id={id} close={close} then={() => void navigate('/pools')} /> : null}
    </SpaceBetween>
  )
}

// CidrActs are the acts on the CIDRs of a pool.
export function CidrActs({ pool, id, selected }: { pool: Pool; id: string; selected: readonly PoolCidr[] }) {
  const t = useText(asking)
  const may = useMay()
  const [open, setOpen] = useState<'provision' | PoolCidr>()
  const one = selected[0]
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {may('DeprovisionIpamPoolCidr') ? <Button disabled={!one} disabledReason={t.select} onClick={() => setOpen(one)}>{t.deprovision}</Button> : null}
      {may('ProvisionIpamPoolCidr') ? <Button onClick={() => setOpen('provision')}>{t.provision}</Button> : null}
      {open === 'provision' ? <Provision pool={pool} id={id} close={() => setOpen(undefined)} /> : open ? <Deprovision pool={pool} id={id} cidr={open.Cidr ?? ''} close={() => setOpen(undefined)} /> : null}
    </SpaceBetween>
  )
}

// ShareActs are the acts on the shares of a pool.
export function ShareActs({ pool, id, selected }: { pool: Pool; id: string; selected: readonly Share[] }) {
  const t = useText(asking)
  const may = useMay()
  const [open, setOpen] = useState<'share' | Share>()
  const one = selected[0]
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {may('DeleteIpamPoolShare') ? <Button disabled={!one} disabledReason={t.select} onClick={() => setOpen(one)}>{t.unshare}</Button> : null}
      {may('PutIpamPoolShare') ? <Button onClick={() => setOpen('share')}>{t.share}</Button> : null}
      {open === 'share' ? <ShareDialog pool={pool} id={id} close={() => setOpen(undefined)} /> : open ? <Unshare id={id} principal={open.Principal ?? ''} close={() => setOpen(undefined)} /> : null}
    </SpaceBetween>
  )
}

// TagActs is the act on the tags of a pool.
export function TagActs({ pool, id }: { pool: Pool; id: string }) {
  const t = useText(asking)
  const may = useMay()
  const [open, setOpen] = useState(false)
  if (!may('CreateTags') || !may('DeleteTags')) return null
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t.editTags}</Button>
      {open ? <TagsDialog id={id} name={displayName(pool.Tags, id)} tags={pool.Tags} close={() => setOpen(false)} /> : null}
    </>
  )
}

function Provision({ pool, id, close }: { pool: Pool; id: string; close: () => void }) {
  const t = useText(asking)
  const n = useText(creating)
  const a = useText(acting)
  const poolName = usePoolNames()
  const family: Family = pool.AddressFamily === 'ipv6' ? 'ipv6' : 'ipv4'
  const source = pool.SourceIpamPoolId
  const byLength = pool.SourceResource?.ResourceId === undefined && (source !== undefined || family === 'ipv6')
  const [by, setBy] = useState<'length' | 'cidr'>(byLength ? 'length' : 'cidr')
  const [length, setLength] = useState<number>()
  const [cidr, setCidr] = useState('')
  const cidrText = useCidrFault()(cidr, family)
  const faults = { space: by === 'cidr' ? cidrText : length === undefined ? a.faults.length : undefined }
  const checked = useChecked(faults)
  const name = displayName(pool.Tags, id)
  const act = useAct({ outcome: () => ({ header: t.provision_.done(name), content: <To href={`/pools/${encodeURIComponent(id)}?tab=cidrs`} color="inverted">{t.provision_.view}</To> }), then: close })
  const plan = [step('cidr', 'ProvisionIpamPoolCidr', { IpamPoolId: id, ...(by === 'cidr' ? { Cidr: canonical(cidr) } : { NetmaskLength: length }) })]
  const effects = [by === 'cidr' ? t.provision_.cidr(canonical(cidr), name) : t.provision_.length(`/${length ?? ''}`, name), source === undefined ? t.provision_.top : t.provision_.source(poolName(source) ?? '')]
  return (
    <Dialog {...checked} title={t.provision_.title(name)} plan={plan} effects={effects} act={act} faults={faults} submitLabel={t.provision} close={close}>
      {byLength ? (
        <FormField label={n.pool.how}>
          <SegmentedControl label={n.pool.how} selectedId={by} options={[{ id: 'length', text: n.pool.byLength }, { id: 'cidr', text: n.pool.byCidr }]} onChange={e => setBy(e.detail.selectedId === 'cidr' ? 'cidr' : 'length')} />
        </FormField>
      ) : null}
      {by === 'length'
        ? <LengthField label={a.fields.length} family={family} lengths={provisionLengths(family, source === undefined)} value={length} set={setLength} fault={checked.shown['space']} />
        : <CidrField label="CIDR" value={cidr} set={setCidr} fault={checked.shown['space']} family={family} />}
    </Dialog>
  )
}

const none = {}

function Deprovision({ pool, id, cidr, close }: { pool: Pool; id: string; cidr: string; close: () => void }) {
  const t = useText(asking)
  const f = useFormat()
  const name = displayName(pool.Tags, id)
  const { data } = useQuery({ queryKey: ['GetIpamPoolAllocations', id, 'inside'], queryFn: ({ signal }) => collect('GetIpamPoolAllocations', { IpamPoolId: id }, allocationsOf, { signal, limit: 10_000 }) })
  const outer = parseCidr(cidr)
  const taken = (data?.rows ?? []).filter(a => { const c = parseCidr(a.Cidr ?? ''); return outer !== undefined && c !== undefined && contains(outer, c) }).length
  const checked = useChecked(none)
  const act = useAct({ outcome: () => ({ header: t.deprovision_.done(cidr) }), then: close })
  const plan = [step('cidr', 'DeprovisionIpamPoolCidr', { IpamPoolId: id, Cidr: cidr })]
  const effects = [pool.SourceIpamPoolId === undefined ? t.deprovision_.top(cidr, name) : t.deprovision_.what(cidr, name), ...(taken === 0 ? [] : [t.deprovision_.taken(f.number(taken))])]
  return <Dialog {...checked} title={t.deprovision_.title(cidr)} plan={plan} effects={effects} act={act} faults={none} submitLabel={t.deprovision} close={close} />
}

function ShareDialog({ pool, id, close }: { pool: Pool; id: string; close: () => void }) {
  const t = useText(asking)
  const a = useText(acting)
  const [principal, setPrincipal] = useState('')
  const faults = { principal: principalFault(principal) ? a.faults.principal : undefined }
  const checked = useChecked(faults)
  const name = displayName(pool.Tags, id)
  const act = useAct({ outcome: () => ({ header: t.share_.done(name), content: <To href={`/pools/${encodeURIComponent(id)}?tab=shares`} color="inverted">{t.share_.view}</To> }), then: close })
  const plan = [step('share', 'PutIpamPoolShare', { IpamPoolId: id, Principal: principal.trim() })]
  return (
    <Dialog {...checked} title={t.share_.title(name)} plan={plan} effects={[t.share_.what(principal.trim()), t.share_.own]} act={act} faults={faults} submitLabel={t.share} close={close}>
      <TextField label={t.share_.principal} value={principal} set={setPrincipal} fault={checked.shown['principal']} help={t.share_.help} />
    </Dialog>
  )
}

function Unshare({ id, principal, close }: { id: string; principal: string; close: () => void }) {
  const t = useText(asking)
  const checked = useChecked(none)
  const act = useAct({ outcome: () => ({ header: t.unshare_.done(principal) }), then: close })
  const plan = [step('share', 'DeleteIpamPoolShare', { IpamPoolId: id, Principal: principal })]
  return <Dialog {...checked} title={t.unshare_.title(principal)} plan={plan} effects={[t.unshare_.what(principal), t.unshare_.stay]} act={act} faults={none} submitLabel={t.unshare} close={close} />
}
