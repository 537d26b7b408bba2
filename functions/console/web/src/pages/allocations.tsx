import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { AllocationActs } from '../acts/allocations'
import { allocationsOf, type Allocation } from '../data'
import { parseCidr, size } from '../cidr'
import { useFormat } from '../format'
import { Account, CidrLink, Id, nameOf, Region, Text, useTypeName } from '../parts/cells'
import { query, To } from '../parts/link'
import { List, listOf, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: { title: 'Allocations', help: 'CIDRs that pools have given to VPCs, child pools and custom uses.', allocation: 'Allocation', empty: 'No pool has an allocation yet.', where: 'Find' },
  ja: { title: '割り振り', help: 'プールから VPC、子プール、カスタム用途に割り振られた CIDR です。', allocation: '割り振り ID', empty: 'まだ割り振りはありません。', where: '検索' },
})

export const allocationId = (a: Allocation) => a.IpamPoolAllocationId ?? a.Cidr ?? ''

// useAllocationColumns returns the columns of a list of allocations. pool is the pool of all of
// them, if it is one.
export function useAllocationColumns(pool?: string): Column<Allocation>[] {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const typeName = useTypeName()
  return [
    { id: 'cidr', header: c.cidr, text: a => a.Cidr, cell: a => (pool === undefined ? <To href={query('/search', { q: a.IpamPoolAllocationId })}>{a.Cidr}</To> : <CidrLink cidr={a.Cidr} pool={pool} />), cidr: true, filter: 'cidr', width: 170 },
    { id: 'allocation', header: t.allocation, text: a => a.IpamPoolAllocationId, cell: a => <Id id={a.IpamPoolAllocationId} />, filter: 'ipam-pool-allocation-id', width: 300 },
    { id: 'type', header: c.kind, text: a => a.ResourceType, cell: a => typeName(a.ResourceType), filter: 'resource-type', options: ['custom', 'vpc', 'subnet', 'ipam-pool', 'eip', 'ec2-public-ipv4-pool'].map(value => ({ value, label: typeName(value) })), width: 120 },
    { id: 'description', header: c.description, text: a => a.Description, cell: a => <Text text={a.Description} />, filter: 'description', width: 220 },
    { id: 'name', header: c.name, text: a => nameOf(a.Tags), cell: a => <Text text={nameOf(a.Tags)} />, hidden: true, width: 170 },
    { id: 'resource', header: c.resource, text: a => a.ResourceId, cell: a => (a.ResourceType === 'ipam-pool' ? <To href={`/pools/${encodeURIComponent(a.ResourceId ?? '')}`}>{a.ResourceId}</To> : <Id id={a.ResourceId} />), filter: 'resource-id', width: 240 },
    { id: 'owner', header: c.account, text: a => a.ResourceOwner, cell: a => <Account id={a.ResourceOwner} />, filter: 'resource-owner', width: 150 },
    { id: 'region', header: c.region, text: a => a.ResourceRegion, cell: a => <Region name={a.ResourceRegion} />, filter: 'resource-region', width: 150 },
    { id: 'addresses', header: c.addresses, text: a => addresses(a)?.toString(), cell: a => f.addresses(addresses(a) ?? 0n), number: a => Number(addresses(a) ?? 0n), hidden: true, width: 130 },
    { id: 'tags', header: c.tags, text: a => (a.Tags ?? []).map(g => `${g.Key ?? ''}=${g.Value ?? ''}`).join(', '), hidden: true, width: 260 },
  ]
}

function addresses(a: Allocation): bigint | undefined {
  const cidr = parseCidr(a.Cidr ?? '')
  return cidr && size(cidr)
}

export function Allocations() {
  const t = useText(texts)
  const [search] = useSearchParams()
  const columns = useAllocationColumns()
  const id = search.get('id')
  const source = useMemo(() => listOf('DescribeIpamPoolAllocations', id === null ? {} : { IpamPoolAllocationIds: [id] }, allocationsOf), [id])
  return (
    <Page title={t.title} description={t.help}>
      <List id="allocations" title={t.title} source={source} columns={columns} rowId={allocationId} empty={t.empty} selection="single" actions={selected => <AllocationActs selected={selected} />} />
    </Page>
  )
}
