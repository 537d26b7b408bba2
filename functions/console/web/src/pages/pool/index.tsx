import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Tabs from '@cloudscape-design/components/tabs'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useMemo } from 'react'
import { useNavigate, useParams, useSearchParams } from 'react-router'
import { AllocationActs } from '../../acts/allocations'
import { CidrActs, PoolActs, ShareActs, TagActs } from '../../acts/pools'
import { isPending as pending } from '../../acts/plan'
import { ResourceActs } from '../../acts/resources'
import { call } from '../../api/call'
import { collect } from '../../api/paging'
import { contains, parseCidr } from '../../cidr'
import { allocationsOf, displayName, idOf, poolCidrsOf, resourcesOf, sharesOf, usePools, useUtilizations, type Pool as PoolType, type PoolCidr, type Share } from '../../data'
import { useFormat } from '../../format'
import { CidrLink, HistoryLink, Id, None, PoolLink, Region, State, Status, Text, Time } from '../../parts/cells'
import { Failure } from '../../parts/error'
import { query, To } from '../../parts/link'
import { List, listOf, type Column } from '../../parts/list'
import { Loading } from '../../parts/loading'
import { Page } from '../../parts/page'
import { Plain } from '../../parts/plain'
import { common } from '../../parts/text'
import { takenOf, Usage, useForecastText } from '../../parts/usage'
import { useText } from '../../text'
import { allocationId, useAllocationColumns } from '../allocations'
import { resourceId, useResourceColumns } from '../resources'
import { rules, sentences } from './rules'
import { Space } from './space'
import { texts } from './text'

const Utilisation = lazy(() => import('./utilisation'))

const tabs = ['space', 'cidrs', 'allocations', 'resources', 'rules', 'utilisation', 'shares', 'events', 'tags'] as const
type Tab = (typeof tabs)[number]

export function Pool() {
  const { id = '' } = useParams()
  const t = useText(texts)
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['DescribeIpamPools', { IpamPoolIds: [id] }],
    queryFn: async ({ signal }) => (await call('DescribeIpamPools', { IpamPoolIds: [id] }, { signal })).IpamPools?.[0],
    refetchInterval: query => (pending(query.state.data?.State) ? 3000 : false),
  })
  const name = data ? displayName(data.Tags, id) : id
  return (
    <Page title={name} crumbs={[{ text: t.pools, href: '/pools' }]} actions={data ? <PoolActs pool={data} id={id} /> : undefined}>
      {error ? <Failure error={error} retry={() => void refetch()} /> : isPending ? <Loading /> : data ? <Details pool={data} id={id} /> : null}
    </Page>
  )
}

function Details({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const [search, setSearch] = useSearchParams()
  const tab: Tab = tabs.find(name => name === search.get('tab')) ?? 'space'
  const content: Record<Tab, () => React.ReactNode> = {
    space: () => <Space id={id} />,
    cidrs: () => <Cidrs pool={pool} id={id} />,
    allocations: () => <Allocations id={id} />,
    resources: () => <Resources pool={pool} id={id} />,
    rules: () => <Rules pool={pool} />,
    utilisation: () => <Suspense fallback={<Loading />}><Utilisation id={id} /></Suspense>,
    shares: () => <Shares pool={pool} id={id} />,
    events: () => <Events pool={pool} id={id} />,
    tags: () => <Tags pool={pool} id={id} />,
  }
  return (
    <SpaceBetween size="l">
      <Summary pool={pool} id={id} />
      <Tabs
        ariaLabel={t.summary}
        activeTabId={tab}
        // The filters of one tab's list are not those of another.
        onChange={e => setSearch({ tab: e.detail.activeTabId })}
        tabs={tabs.map(name => ({ id: name, label: t.tabs[name], content: name === tab ? content[name]() : null }))}
      />
    </SpaceBetween>
  )
}

function Summary({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const navigate = useNavigate()
  const forecast = useForecastText()
  const pools = usePools().data
  const use = useUtilizations([id]).data?.[0]
  const now = use?.Samples?.at(-1)
  const scope = idOf(pool.IpamScopeArn)
  const below = pools?.filter(p => p.SourceIpamPoolId === id) ?? []
  const source = pools?.find(p => p.IpamPoolId === pool.SourceIpamPoolId)
  const statuses = useQuery({
    queryKey: ['GetIpamResourceCidrs', { IpamScopeId: scope, IpamPoolId: id }, 'statuses'],
    queryFn: async ({ signal }) => (await collect('GetIpamResourceCidrs', { IpamScopeId: scope ?? '', IpamPoolId: id }, resourcesOf, { signal, limit: 5000 })),
    enabled: scope !== undefined,
  }).data
  const count = (of: (r: NonNullable<typeof statuses>['rows'][number]) => boolean, filter: Record<string, string>) => statuses === undefined ? c.none : (
    <To href={query('/resources', { scope, pool: id, ...filter })}>{f.number(statuses.rows.filter(of).length)}{statuses.more ? '+' : ''}</To>
  )
  return (
    <Container header={<Header variant="h2" actions={<Button onClick={() => void navigate(query('/map', { pool: id }))}>{t.showMap}</Button>}>{t.summary}</Header>}>
      <KeyValuePairs
        columns={4}
        items={[
          { label: c.id, value: <Id id={id} /> },
          { label: c.state, value: <State state={pool.State} message={pool.StateMessage} /> },
          { label: c.locale, value: <Region name={pool.Locale} /> },
          { label: t.family, value: pool.AddressFamily === 'ipv6' ? 'IPv6' : 'IPv4' },
          { label: t.allocated, value: <Usage percent={takenOf(now)} label={displayName(pool.Tags, id)} /> },
          { label: t.free, value: now?.FreeAddresses === undefined ? c.none : <To href={`/pools/${id}?tab=space`}>{f.addresses(now.FreeAddresses)}</To> },
          { label: t.forecast, value: forecast(use?.Forecast) === undefined ? c.none : <To href={`/pools/${id}?tab=utilisation`}>{forecast(use?.Forecast)}</To> },
          { label: t.source, value: pool.SourceIpamPoolId === undefined ? t.top : <PoolLink id={pool.SourceIpamPoolId} name={source && displayName(source.Tags, source.IpamPoolId)} /> },
          { label: t.noncompliant, value: count(r => r.ComplianceStatus === 'noncompliant', { 'compliance-status': 'noncompliant' }) },
          { label: t.overlapping, value: count(r => r.OverlapStatus === 'overlapping', { 'overlap-status': 'overlapping' }) },
          { label: t.children, value: below.length === 0 ? c.none : <SpaceBetween size="xxs">{below.slice(0, 5).map(p => <PoolLink key={p.IpamPoolId} id={p.IpamPoolId} name={displayName(p.Tags, p.IpamPoolId)} />)}{below.length > 5 ? <To href={query('/pools', { scope, view: 'list', 'source-ipam-pool-id': id })}>{f.number(below.length)}</To> : null}</SpaceBetween> },
          { label: c.description, value: <Text text={pool.Description} /> },
        ]}
      />
    </Container>
  )
}

function Cidrs({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const c = useText(common)
  const source = useMemo(() => listOf('GetIpamPoolCidrs', { IpamPoolId: id }, poolCidrsOf), [id])
  const columns: Column<PoolCidr>[] = [
    { id: 'cidr', header: c.cidr, text: r => r.Cidr, cell: r => <CidrLink cidr={r.Cidr} pool={id} />, cidr: true, filter: 'cidr', width: 200 },
    { id: 'state', header: c.state, text: r => r.State, cell: r => <State state={r.State} />, filter: 'state', options: ['provisioned', 'pending-provision', 'failed-provision', 'pending-deprovision', 'failed-deprovision', 'deprovisioned'].map(value => ({ value, label: value })), width: 200 },
    { id: 'failure', header: t.cidrs.failure, text: r => r.FailureReason?.Message, cell: r => <Text text={r.FailureReason?.Message} />, width: 420 },
    { id: 'id', header: c.id, text: r => r.IpamPoolCidrId, cell: r => <Id id={r.IpamPoolCidrId} />, width: 340 },
  ]
  return <List local id="pool-cidrs" title={t.tabs.cidrs} source={source} columns={columns} rowId={r => r.IpamPoolCidrId ?? r.Cidr ?? ''} empty={t.cidrs.empty} selection="single" pending={r => pending(r.State)} actions={selected => <CidrActs pool={pool} id={id} selected={selected} />} />
}

function Allocations({ id }: { id: string }) {
  const t = useText(texts)
  const columns = useAllocationColumns(id)
  const source = useMemo(() => listOf('GetIpamPoolAllocations', { IpamPoolId: id }, allocationsOf), [id])
  return <List local id="pool-allocations" title={t.tabs.allocations} source={source} columns={columns} rowId={allocationId} empty={t.allocationsEmpty} selection="single" actions={selected => <AllocationActs selected={selected} pool={id} />} />
}

function Resources({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const columns = useResourceColumns()
  const scope = idOf(pool.IpamScopeArn)
  const source = useMemo(() => listOf('GetIpamResourceCidrs', { IpamScopeId: scope ?? '', IpamPoolId: id }, resourcesOf, { enabled: scope !== undefined }), [scope, id])
  return <List local id="pool-resources" title={t.tabs.resources} source={source} columns={columns} rowId={resourceId} empty={t.resourcesEmpty} selection="single" actions={selected => <ResourceActs selected={selected} />} />
}

function Rules({ pool }: { pool: PoolType }) {
  const t = useText(texts)
  const said = sentences(pool, useText(rules))
  return (
    <Container header={<Header variant="h2" description={t.rulesHelp}>{t.tabs.rules}</Header>}>
      <ul>{said.map(s => <li key={s} className="break">{s}</li>)}</ul>
    </Container>
  )
}

function Shares({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const source = useMemo(() => listOf('DescribeIpamPoolShares', { IpamPoolIds: [id] }, sharesOf), [id])
  const columns: Column<Share>[] = [
    { id: 'principal', header: t.shares.principal, text: r => r.Principal, cell: r => <Id id={r.Principal} />, filter: 'principal', width: 620 },
    { id: 'permission', header: t.shares.permission, text: r => r.Permission, width: 160 },
  ]
  return <List local id="pool-shares" title={t.tabs.shares} description={t.shares.help} source={source} columns={columns} rowId={r => r.Principal ?? ''} empty={t.shares.empty} selection="single" actions={selected => <ShareActs pool={pool} id={id} selected={selected} />} />
}

function Events({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const c = useText(common)
  const scope = idOf(pool.IpamScopeArn)
  const summary = useQuery({ queryKey: ['GetIpamSummary', {}], queryFn: ({ signal }) => call('GetIpamSummary', {}, { signal }) })
  const cidrs = useQuery({ queryKey: ['GetIpamPoolCidrs', id, 'first'], queryFn: async ({ signal }) => (await collect('GetIpamPoolCidrs', { IpamPoolId: id }, poolCidrsOf, { signal })).rows, staleTime: 60_000 })
  const failed = summary.error ?? cidrs.error
  if (failed) return <Failure error={failed} />
  if (!summary.data || !cidrs.data) return <Loading />
  const roots = cidrs.data.flatMap(r => parseCidr(r.Cidr ?? '') ?? [])
  const rows = (summary.data.IpamSummaries ?? []).flatMap(s => s.Changes?.Latest ?? []).filter(change => {
    const cidr = parseCidr(change.Cidr ?? '')
    return cidr !== undefined && change.IpamScopeId === scope && roots.some(root => contains(root, cidr))
  })
  return (
    <Container header={<Header variant="h2" description={t.events.help}>{t.tabs.events}</Header>}>
      <Plain
        label={t.tabs.events}
        rows={rows}
        empty={t.events.empty}
        columns={[
          { header: c.time, cell: r => <Time at={r.Time} /> },
          { header: t.events.change, cell: r => (r.Change === 'ended' ? t.events.ended : t.events.began) },
          { header: c.cidr, cell: r => <HistoryLink cidr={r.Cidr} scope={scope} />, rowHeader: true },
          { header: c.resource, cell: r => <><Id id={r.ResourceId} /> <Box variant="small">{r.ResourceName}</Box></> },
          { header: c.account, cell: r => r.ResourceOwnerId ?? <None /> },
          { header: c.compliance, cell: r => <Status status={r.ComplianceStatus} /> },
        ]}
      />
    </Container>
  )
}

function Tags({ pool, id }: { pool: PoolType; id: string }) {
  const t = useText(texts)
  const c = useText(common)
  return (
    <Container header={<Header variant="h2" actions={<TagActs pool={pool} id={id} />}>{t.tabs.tags}</Header>}>
      <Plain
        label={t.tabs.tags}
        rows={pool.Tags ?? []}
        empty={c.noTags}
        columns={[{ header: t.tags.key, cell: r => <span className="break">{r.Key}</span>, rowHeader: true }, { header: t.tags.value, cell: r => <span className="break">{r.Value}</span> }]}
      />
    </Container>
  )
}
