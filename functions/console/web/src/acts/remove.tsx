// The dialogs that delete a pool, a scope or an IPAM, with all that goes with it.
import Checkbox from '@cloudscape-design/components/checkbox'
import { useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { collect } from '../api/paging'
import { allocationsOf, displayName, idOf, poolCidrsOf, sharesOf, usePools, useScopes, type Ipam, type Pool, type Scope } from '../data'
import { useFormat } from '../format'
import { Loading } from '../parts/loading'
import { useText } from '../text'
import { useAct } from './act'
import { below } from './changes'
import { asking } from './dialogtext'
import { TextField } from './fields'
import { Dialog, useChecked } from './form'
import { step, type Plan } from './plan'
import { acting } from './text'

function Remove({ title, name, contents, cascades, plan, close, then }: { title: string; name: string; contents: readonly ReactNode[] | undefined; cascades: boolean; plan: (cascade: boolean) => Plan; close: () => void; then?: (() => void) | undefined }) {
  const t = useText(asking)
  const a = useText(acting)
  const [cascade, setCascade] = useState(false)
  const [word, setWord] = useState('')
  const faults = { word: word.trim().toLowerCase() === t.delete_.word ? undefined : a.faults.confirm(t.delete_.word) }
  const checked = useChecked(faults)
  const act = useAct({ outcome: () => ({ header: t.delete_.done(name) }), then: () => { close(); then?.() } })
  if (!contents) return <Loading />
  return (
    // The effects are shown before the confirmation is typed.
    <Dialog {...checked} title={title} plan={plan(cascade)} effects={[t.delete_.gone(name), ...contents, ...(contents.length === 0 ? [t.delete_.empty] : [])]} act={act} faults={faults} always submitLabel={t.delete} close={close}>
      {cascades ? <Checkbox checked={cascade} onChange={e => setCascade(e.detail.checked)} description={t.delete_.cascadeHelp}>{t.delete_.cascade}</Checkbox> : null}
      <TextField label={t.delete_.confirm(t.delete_.word)} value={word} set={setWord} fault={checked.shown['word']} />
    </Dialog>
  )
}

const most = 1000

export function DeletePool({ pool, id, close, then }: { pool: Pool; id: string; close: () => void; then?: () => void }) {
  const t = useText(asking)
  const f = useFormat()
  const pools = usePools().data
  const name = displayName(pool.Tags, id)
  const { data } = useQuery({
    queryKey: ['contents', id],
    queryFn: async ({ signal }) => ({
      cidrs: await collect('GetIpamPoolCidrs', { IpamPoolId: id }, poolCidrsOf, { signal, limit: most }),
      allocations: await collect('GetIpamPoolAllocations', { IpamPoolId: id }, allocationsOf, { signal, limit: most }),
      shares: await collect('DescribeIpamPoolShares', { IpamPoolIds: [id] }, sharesOf, { signal, limit: most }),
    }),
  })
  const children = pools && below(pools, id)
  const short = (all: readonly string[]) => [...all.slice(0, 5), ...(all.length > 5 ? [t.delete_.more(f.number(all.length - 5))] : [])].join(', ')
  const cidrs = data?.cidrs.rows.filter(c => c.State !== 'deprovisioned').map(c => c.Cidr ?? '') ?? []
  const contents = data && children && [
    ...(cidrs.length === 0 ? [] : [t.delete_.cidrs(short(cidrs))]),
    ...(data.allocations.rows.length === 0 ? [] : [t.delete_.allocations(`${f.number(data.allocations.rows.length)}${data.allocations.more ? '+' : ''}`)]),
    ...(children.length === 0 ? [] : [t.delete_.pools(short(children.map(p => displayName(p.Tags, p.IpamPoolId))))]),
    ...(data.shares.rows.length === 0 ? [] : [t.delete_.shares(f.number(data.shares.rows.length))]),
    ...(data.allocations.rows.length === 0 ? [] : [t.delete_.history]),
  ]
  const filled = cidrs.length > 0 || (children?.length ?? 0) > 0
  return <Remove title={t.delete_.pool(name)} name={name} contents={contents} cascades={filled && pool.IpamScopeType !== 'public'} plan={cascade => [step('pool', 'DeleteIpamPool', { IpamPoolId: id, Cascade: cascade ? true : undefined })]} close={close} then={then} />
}

export function DeleteScope({ scope, close }: { scope: Scope; close: () => void }) {
  const t = useText(asking)
  const id = scope.IpamScopeId ?? ''
  return <Remove title={t.delete_.scope(id)} name={id} contents={[t.delete_.resources]} cascades={false} plan={() => [step('scope', 'DeleteIpamScope', { IpamScopeId: id })]} close={close} />
}

export function DeleteIpam({ ipam, close }: { ipam: Ipam; close: () => void }) {
  const t = useText(asking)
  const f = useFormat()
  const scopes = useScopes().data?.filter(s => idOf(s.IpamArn) === ipam.IpamId)
  const pools = usePools().data?.filter(p => idOf(p.IpamArn) === ipam.IpamId)
  const id = ipam.IpamId ?? ''
  const name = displayName(ipam.Tags, id)
  const contents = scopes && pools && [t.delete_.scopes(f.number(scopes.length)), ...(pools.length === 0 ? [] : [t.delete_.allPools(f.number(pools.length))]), t.delete_.discovery, t.delete_.history]
  return <Remove title={t.delete_.ipam(name)} name={name} contents={contents} cascades={(pools?.length ?? 0) > 0 || (scopes?.length ?? 0) > 2} plan={cascade => [step('ipam', 'DeleteIpam', { IpamId: id, Cascade: cascade ? true : undefined })]} close={close} />
}
