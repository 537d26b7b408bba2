import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { ResourceActs } from '../acts/resources'
import { resourcesOf, usePoolNames, type Resource } from '../data'
import { useFormat } from '../format'
import { Account, CidrLink, HistoryLink, Id, PoolLink, Region, Status, Text, useTypeName } from '../parts/cells'
import { List, listOf, type Column } from '../parts/list'
import { Failure } from '../parts/error'
import { Page } from '../parts/page'
import { ScopeSelect, useScope } from '../parts/scope'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Resources', help: 'CIDRs of VPCs, subnets, Elastic IPs and public pools that discovery sees in a scope.', usage: 'IP usage', zone: 'Availability Zone',
    empty: 'Discovery has found no resource in this scope.',
  },
  ja: {
    title: 'リソース', help: '検出により見つかった、スコープ内の VPC、サブネット、Elastic IP、パブリックプールの CIDR です。', usage: 'IP 使用状況', zone: 'アベイラビリティーゾーン',
    empty: 'このスコープにはリソースが検出されていません。',
  },
})

// useResourceColumns returns the columns of a list of resources.
export function useResourceColumns(): Column<Resource>[] {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const typeName = useTypeName()
  const poolName = usePoolNames()
  const options = (values: readonly string[], names: Record<string, string>) => values.map(value => ({ value, label: names[value] ?? value }))
  return [
    { id: 'resource', header: c.resource, text: r => r.ResourceId, cell: r => <Id id={r.ResourceId} />, filter: 'resource-id', width: 230 },
    { id: 'cidr', header: c.cidr, text: r => r.ResourceCidr, cell: r => <CidrLink cidr={r.ResourceCidr} scope={r.IpamScopeId} />, cidr: true, filter: 'resource-cidr', width: 170 },
    { id: 'name', header: c.name, text: r => r.ResourceName, cell: r => <Text text={r.ResourceName} />, filter: 'resource-name', width: 170 },
    { id: 'compliance', header: c.compliance, text: r => r.ComplianceStatus, cell: r => <Status status={r.ComplianceStatus} />, filter: 'compliance-status', options: options(['compliant', 'noncompliant', 'unmanaged', 'ignored'], c.status), width: 160 },
    { id: 'overlap', header: c.overlap, text: r => r.OverlapStatus, cell: r => <Status status={r.OverlapStatus} />, filter: 'overlap-status', options: options(['overlapping', 'nonoverlapping', 'ignored'], c.status), width: 180 },
    { id: 'usage', header: t.usage, text: r => (r.IpUsage === undefined ? undefined : String(r.IpUsage)), cell: r => (r.IpUsage === undefined ? c.none : f.percent(r.IpUsage * 100)), number: r => r.IpUsage, width: 130 },
    { id: 'type', header: c.kind, text: r => r.ResourceType, cell: r => typeName(r.ResourceType), filter: 'resource-type', options: options(['vpc', 'subnet', 'eip', 'public-ipv4-pool', 'ipv6-pool', 'eni'], c.type), width: 130 },
    { id: 'account', header: c.account, text: r => r.ResourceOwnerId, cell: r => <Account id={r.ResourceOwnerId} />, filter: 'resource-owner-id', width: 150 },
    { id: 'region', header: c.region, text: r => r.ResourceRegion, cell: r => <Region name={r.ResourceRegion} />, filter: 'resource-region', width: 150 },
    { id: 'pool', header: c.pool, text: r => r.IpamPoolId, cell: r => <PoolLink id={r.IpamPoolId} name={poolName(r.IpamPoolId)} />, filter: 'ipam-pool-id', width: 200 },
    { id: 'management', header: c.management, text: r => r.ManagementState, cell: r => <Status status={r.ManagementState} />, filter: 'management-state', options: options(['managed', 'unmanaged', 'ignored'], c.status), hidden: true, width: 150 },
    { id: 'vpc', header: c.vpc, text: r => r.VpcId, cell: r => <Id id={r.VpcId} />, filter: 'vpc-id', hidden: true, width: 220 },
    { id: 'zone', header: t.zone, text: r => r.AvailabilityZoneId, hidden: true, width: 170 },
    { id: 'tags', header: c.tags, text: r => (r.ResourceTags ?? []).map(g => `${g.Key ?? ''}=${g.Value ?? ''}`).join(', '), hidden: true, width: 260 },
    { id: 'history', header: c.history, text: () => undefined, cell: r => <HistoryLink cidr={r.ResourceCidr} scope={r.IpamScopeId}>{c.history}</HistoryLink>, hidden: true, width: 110 },
  ]
}

export const resourceId = (r: Resource) => `${r.ResourceId ?? ''} ${r.ResourceCidr ?? ''}`

export function Resources() {
  const t = useText(texts)
  const place = useScope()
  const [search] = useSearchParams()
  const pool = search.get('pool') ?? undefined
  const id = place.scope?.IpamScopeId
  const columns = useResourceColumns()
  const source = useMemo(
    () => listOf('GetIpamResourceCidrs', { IpamScopeId: id ?? '', ...(pool === undefined ? {} : { IpamPoolId: pool }) }, resourcesOf, { enabled: id !== undefined }),
    [id, pool],
  )
  return (
    <Page title={t.title} description={t.help}>
      {place.error ? <Failure error={place.error} /> : null}
      <List id="resources" title={t.title} source={source} columns={columns} rowId={resourceId} empty={t.empty} selection="single" actions={selected => <ResourceActs selected={selected} />} preface={<ScopeSelect {...place} />} />
    </Page>
  )
}
