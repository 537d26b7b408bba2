// The acts on allocations: release, description, tags.
import Button from '@cloudscape-design/components/button'
import ButtonDropdown from '@cloudscape-design/components/button-dropdown'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../api/call'
import { usePoolNames, type Allocation } from '../data'
import { Failure } from '../parts/error'
import { To } from '../parts/link'
import { useMay } from '../session'
import { useText } from '../text'
import { useAct } from './act'
import { asking } from './dialogtext'
import { TextField, useLongFault } from './fields'
import { Dialog, useChecked } from './form'
import { step } from './plan'
import { TagsDialog } from './tags'
import { acting } from './text'

const none = {}

// AllocationActs are the acts on the selected allocation of a list. pool is the pool of the list, if it has one.
export function AllocationActs({ selected, pool }: { selected: readonly Allocation[]; pool?: string | undefined }) {
  const t = useText(asking)
  const may = useMay()
  const [open, setOpen] = useState<{ act: string; allocation: Allocation }>()
  const one = selected[0]
  const custom = one?.ResourceType === 'custom'
  const more = [...(may('ModifyIpamPoolAllocation') ? [{ id: 'describe', text: t.describe }] : []), ...(may('CreateTags') ? [{ id: 'tags', text: t.editTags }] : [])]
  if (!may('ReleaseIpamPoolAllocation') && more.length === 0) return null
  const begin = (act: string) => { if (one) setOpen({ act, allocation: one }) }
  const close = () => setOpen(undefined)
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {may('ReleaseIpamPoolAllocation') ? <Button disabled={!custom} disabledReason={one ? t.onlyCustom : t.select} onClick={() => begin('release')}>{t.release}</Button> : null}
      {more.length === 0 ? null : <ButtonDropdown disabled={!one} disabledReason={t.select} items={more} onItemClick={e => begin(e.detail.id)}>{t.actions}</ButtonDropdown>}
      {open?.act === 'release' ? <Release allocation={open.allocation} pool={pool} close={close} /> : null}
      {open?.act === 'describe' ? <Describe allocation={open.allocation} close={close} /> : null}
      {open?.act === 'tags' ? <TagsDialog id={open.allocation.IpamPoolAllocationId ?? ''} name={open.allocation.Cidr ?? ''} tags={open.allocation.Tags} close={close} /> : null}
    </SpaceBetween>
  )
}

// Release asks before a custom allocation goes back to its pool. The list of all allocations has no pools; the search does.
export function Release({ allocation, pool: given, close }: { allocation: Allocation; pool?: string | undefined; close: () => void }) {
  const t = useText(asking)
  const poolName = usePoolNames()
  const id = allocation.IpamPoolAllocationId ?? ''
  const found = useQuery({
    queryKey: ['SearchIpam', { Text: id }, 'pool'],
    queryFn: async ({ signal }) => (await call('SearchIpam', { Text: id }, { signal })).IpamSearchMatches?.find(m => m.IpamPoolAllocationId === id)?.IpamPoolId ?? null,
    enabled: given === undefined,
  })
  const pool = given ?? found.data ?? undefined
  const cidr = allocation.Cidr ?? ''
  const checked = useChecked(none)
  const act = useAct({
    outcome: () => ({ header: t.release_.done(cidr), content: pool === undefined ? undefined : <To href={`/pools/${encodeURIComponent(pool)}`} color="inverted">{poolName(pool)}</To> }),
    then: close,
  })
  const plan = pool === undefined ? undefined : [step('release', 'ReleaseIpamPoolAllocation', { IpamPoolId: pool, Cidr: cidr, IpamPoolAllocationId: id })]
  return (
    <Dialog {...checked} title={t.release_.title(cidr)} plan={plan} effects={[t.release_.what(cidr, poolName(pool) ?? ''), t.release_.check]} act={act} faults={none} submitLabel={t.release} close={close}>
      {found.error ? <Failure error={found.error} /> : null}
    </Dialog>
  )
}

function Describe({ allocation, close }: { allocation: Allocation; close: () => void }) {
  const t = useText(asking)
  const a = useText(acting)
  const cidr = allocation.Cidr ?? ''
  const [text, setText] = useState(allocation.Description ?? '')
  const faults = { description: useLongFault()(text) }
  const checked = useChecked(faults)
  const act = useAct({ outcome: () => ({ header: t.description_.done(cidr) }), then: close })
  const plan = text.trim() === (allocation.Description ?? '') ? [] : [step('allocation', 'ModifyIpamPoolAllocation', { IpamPoolAllocationId: allocation.IpamPoolAllocationId ?? '', Description: text.trim() })]
  return (
    <Dialog {...checked} title={t.description_.title(cidr)} plan={plan} effects={[t.description_.what(text.trim())]} act={act} faults={faults} submitLabel={t.save} close={close}>
      <TextField label={a.fields.description} value={text} set={setText} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional />
    </Dialog>
  )
}
