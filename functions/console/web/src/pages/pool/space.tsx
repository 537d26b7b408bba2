// The use of a pool's CIDRs: allocations, with the free ranges as rows between them.
import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { call } from '../../api/call'
import { type SpaceBlock, type SpaceMap } from '../../api/shapes'
import { contains, formatCidr, parseCidr, size } from '../../cidr'
import { usePoolNames, usePools } from '../../data'
import { useFormat } from '../../format'
import { allocateAt, suggested } from '../../map/allocate'
import { Account, CidrLink, Id, None, PoolLink, Region, Text, Time, useTypeName } from '../../parts/cells'
import { Failure } from '../../parts/error'
import { query, To } from '../../parts/link'
import { List, type Column } from '../../parts/list'
import { Loading } from '../../parts/loading'
import { common } from '../../parts/text'
import { useMay } from '../../session'
import { useText } from '../../text'
import { texts } from './text'

export interface Row {
  block: SpaceBlock
  kind: 'root' | 'pool' | 'allocated' | 'held' | 'free' | 'changing'
}

// rowsOf returns the pool's CIDRs and the blocks out of its own space, without the contents of
// child pools.
export function rowsOf(id: string, map: SpaceMap | undefined): Row[] {
  const rows: Row[] = []
  for (const block of map?.Blocks ?? []) {
    if (block.State === 'pool' && block.ChildIpamPoolId === id) rows.push({ block, kind: 'root' })
    else if (block.IpamPoolId === id && block.State !== undefined) rows.push({ block, kind: block.State })
  }
  return rows
}

export function Space({ id }: { id: string }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const may = useMay()
  const typeName = useTypeName()
  const poolName = usePoolNames()
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['GetIpamSpaceMap', { IpamPoolId: id, MaxBlocks: 5000 }],
    queryFn: async ({ signal }) => (await call('GetIpamSpaceMap', { IpamPoolId: id, MaxBlocks: 5000 }, { signal })).IpamSpaceMap,
  })
  const rows = useMemo(() => rowsOf(id, data), [id, data])
  if (error) return <Failure error={error} retry={() => void refetch()} />
  if (isPending) return <Loading />
  if (data?.Detail === 'tiles') {
    return <Alert type="info" action={<To href={query('/map', { pool: id })}>{t.showMap}</To>}>{t.space.tooMany}</Alert>
  }
  const what = (r: Row): string => {
    switch (r.kind) {
      case 'root': return t.space.root
      case 'free': return t.space.freeRow
      case 'held': return t.space.held
      case 'changing': return t.space.changing
      case 'pool': return t.space.pool(poolName(r.block.ChildIpamPoolId) ?? '')
      case 'allocated': return typeName(r.block.ResourceType)
    }
  }
  const nested = (r: Row) => r.kind !== 'root' && rows.some(o => o.kind === 'root' && inside(o.block, r.block))
  const addresses = (r: Row) => { const cidr = parseCidr(r.block.Cidr ?? ''); return cidr && size(cidr) }
  const columns: Column<Row>[] = [
    { id: 'cidr', header: c.cidr, text: r => r.block.Cidr, cidr: true, width: 220, cell: r => <Box variant="span" padding={{ left: nested(r) ? 'l' : 'n' }} fontWeight={r.kind === 'root' ? 'bold' : 'normal'}><CidrLink cidr={r.block.Cidr} pool={id} /></Box> },
    { id: 'what', header: t.space.what, text: what, width: 220, cell: r => (r.kind === 'free' ? <Free row={r} id={id} allocate={may('AllocateIpamPoolCidr')} /> : r.kind === 'root' ? <b>{t.space.root}</b> : r.kind === 'pool' ? <PoolLink id={r.block.ChildIpamPoolId} name={what(r)} /> : what(r)) },
    { id: 'addresses', header: c.addresses, text: r => addresses(r)?.toString(), number: r => Number(addresses(r) ?? 0n), cell: r => f.addresses(addresses(r) ?? 0n), width: 145 },
    { id: 'description', header: c.description, text: r => r.block.Name ?? r.block.Description, cell: r => <Text text={r.block.Name ?? r.block.Description} />, width: 220 },
    { id: 'resource', header: c.resource, text: r => r.block.ResourceId, cell: r => (r.block.PendingUntil === undefined ? <Id id={r.block.ResourceId} /> : <>{t.space.pending} <Time at={r.block.PendingUntil} ago /></>), width: 230 },
    { id: 'owner', header: c.account, text: r => r.block.ResourceOwner, cell: r => <Account id={r.block.ResourceOwner} />, width: 150 },
    { id: 'region', header: c.region, text: r => r.block.ResourceRegion, cell: r => <Region name={r.block.ResourceRegion} />, width: 150 },
    { id: 'allocation', header: c.id, text: r => r.block.IpamPoolAllocationId, cell: r => (r.block.IpamPoolAllocationId === undefined ? <None /> : <Id id={r.block.IpamPoolAllocationId} />), hidden: true, width: 300 },
  ]
  return (
    <List
      local
      id="pool-space"
      title={t.tabs.space}
      description={t.space.help}
      source={{ rows, refresh: () => void refetch() }}
      columns={columns}
      rowId={r => `${r.kind} ${r.block.Cidr ?? ''}`}
      empty={t.space.empty}
    />
  )
}

// Free links a free range to the form that allocates in it.
function Free({ row, id, allocate }: { row: Row; id: string; allocate: boolean }) {
  const t = useText(texts)
  const pool = usePools().data?.find(p => p.IpamPoolId === id)
  const cidr = parseCidr(row.block.Cidr ?? '')
  return (
    <>
      <Box variant="span" color="text-status-success">{t.space.freeRow}</Box>
      {allocate && cidr ? <> · <To href={allocateAt(id, suggested(cidr, pool))} ariaLabel={t.space.allocateIn(formatCidr(cidr))}>{t.space.allocate}</To></> : null}
    </>
  )
}

function inside(outer: SpaceBlock, inner: SpaceBlock): boolean {
  const a = parseCidr(outer.Cidr ?? '')
  const b = parseCidr(inner.Cidr ?? '')
  return a !== undefined && b !== undefined && contains(a, b)
}
