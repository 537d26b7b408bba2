import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Header from '@cloudscape-design/components/header'
import Pagination from '@cloudscape-design/components/pagination'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Table from '@cloudscape-design/components/table'
import TextFilter from '@cloudscape-design/components/text-filter'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { type PoolUtilization } from '../api/shapes'
import { collect } from '../api/paging'
import { displayName, idOf, poolCidrsOf, usePools, useUtilizations, type Pool } from '../data'
import { useFormat } from '../format'
import { CidrLink, Id, None, PoolLink, Region, State, Text } from '../parts/cells'
import { Failure } from '../parts/error'
import { query, To } from '../parts/link'
import { List, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { ScopeSelect, useScope } from '../parts/scope'
import { common } from '../parts/text'
import { takenOf, Usage, useForecastText } from '../parts/usage'
import { useMay } from '../session'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Pools', help: 'Pools hold CIDRs and give parts of them to VPCs, to other pools and to custom uses.', tree: 'Tree', list: 'List', view: 'View', allocated: 'Allocated', forecast: 'Forecast', free: 'Free addresses',
    depth: 'Depth', source: 'Source pool', find: 'Find pools', matches: (n: string) => `${n} matches`, empty: 'No pool in this scope', emptyHelp: 'The first pool of a scope takes the whole space of the network; regional pools come below it.', create: 'Create pool', plan: 'Create an address plan',
    expand: 'Expand all', collapse: 'Collapse all', expandOne: (name: string) => `Expand ${name}`, collapseOne: (name: string) => `Collapse ${name}`, family: 'Address family', more: (n: string) => `and ${n} more`,
  },
  ja: {
    title: 'プール', help: 'プールは CIDR を保持し、VPC、他のプール、カスタム用途にその一部を割り振ります。', tree: 'ツリー', list: 'リスト', view: '表示', allocated: '割り振り済み', forecast: '予測', free: '空きアドレス数',
    depth: '深さ', source: 'ソースプール', find: 'プールを検索', matches: n => `${n} 件一致`, empty: 'このスコープにプールはありません', emptyHelp: 'スコープの最初のプールにはネットワーク全体の空間を割り当て、その下にリージョン別のプールを作成します。', create: 'プールを作成', plan: 'アドレス計画を作成',
    expand: 'すべて展開', collapse: 'すべて折りたたむ', expandOne: name => `${name} を展開`, collapseOne: name => `${name} を折りたたむ`, family: 'アドレスファミリー', more: n => `他 ${n} 件`,
  },
})

export function Pools() {
  const t = useText(texts)
  const may = useMay()
  const navigate = useNavigate()
  const place = useScope()
  const pools = usePools()
  const [search, setSearch] = useSearchParams()
  const view = search.get('view') === 'list' ? 'list' : 'tree'
  const id = place.scope?.IpamScopeId
  const rows = useMemo(() => (pools.data ?? []).filter(p => idOf(p.IpamScopeArn) === id), [pools.data, id])
  const loading = pools.isPending || place.loading
  const preface = (
    <SpaceBetween direction="horizontal" size="l" alignItems="end">
      <ScopeSelect {...place} />
      <SegmentedControl
        label={t.view}
        selectedId={view}
        options={[{ id: 'tree', text: t.tree }, { id: 'list', text: t.list }]}
        onChange={e => setSearch(old => { const next = new URLSearchParams(old); next.set('view', e.detail.selectedId); return next }, { replace: true })}
      />
    </SpaceBetween>
  )
  const refresh = () => void pools.refetch()
  return (
    <Page title={t.title} description={t.help} actions={may('CreateIpamPool') ? (
      <SpaceBetween direction="horizontal" size="xs">
        <Button onClick={() => void navigate('/create')}>{t.plan}</Button>
        <Button variant="primary" onClick={() => void navigate(query('/create', { step: 'pool', scope: id }))}>{t.create}</Button>
      </SpaceBetween>
    ) : undefined}>
      <SpaceBetween size="s">
        {place.error ? <Failure error={place.error} /> : null}
        {pools.error ? <Failure error={pools.error} retry={refresh} /> : null}
        {view === 'tree'
          ? <Tree key={id} pools={rows} loading={loading} preface={preface} refresh={refresh} refreshing={pools.isFetching} />
          : <Flat pools={rows} loading={loading} preface={preface} refresh={refresh} error={pools.error} />}
      </SpaceBetween>
    </Page>
  )
}

function useByPool(pools: readonly Pool[]): Map<string | undefined, PoolUtilization> {
  const { data } = useUtilizations(pools.map(p => p.IpamPoolId))
  return useMemo(() => new Map((data ?? []).map(u => [u.IpamPoolId, u])), [data])
}

const pageSize = 50

function Tree({ pools, loading, preface, refresh, refreshing }: { pools: readonly Pool[]; loading: boolean; preface: React.ReactNode; refresh: () => void; refreshing: boolean }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const forecast = useForecastText()
  const [text, setText] = useState('')
  const [page, setPage] = useState(1)
  const [closed, setClosed] = useState<ReadonlySet<string>>()

  const { children, roots, matches } = useMemo(() => {
    const known = new Map(pools.map(p => [p.IpamPoolId ?? '', p]))
    const needle = text.trim().toLowerCase()
    const hit = (p: Pool) => needle === '' || [p.IpamPoolId, p.Description, p.Locale, displayName(p.Tags, '')].some(s => s?.toLowerCase().includes(needle) === true)
    // A pool is shown if it matches, or one below it does.
    const shown = new Set<string>()
    for (const p of pools) {
      if (!hit(p)) continue
      for (let at: Pool | undefined = p; at && !shown.has(at.IpamPoolId ?? ''); at = known.get(at.SourceIpamPoolId ?? '')) shown.add(at.IpamPoolId ?? '')
    }
    const children = new Map<string, Pool[]>()
    const roots: Pool[] = []
    for (const p of pools) {
      if (!shown.has(p.IpamPoolId ?? '')) continue
      // The source of a pool that is shared with the caller may not be visible.
      if (p.SourceIpamPoolId === undefined || !known.has(p.SourceIpamPoolId)) roots.push(p)
      else children.set(p.SourceIpamPoolId, [...(children.get(p.SourceIpamPoolId) ?? []), p])
    }
    return { children, roots, matches: pools.filter(hit).length }
  }, [pools, text])

  // A large tree begins with its top level only.
  const shut = closed ?? (pools.length > 100 && text === '' ? new Set(children.keys()) : new Set<string>())
  const items = roots.slice((page - 1) * pageSize, page * pageSize)
  const open = [...children.keys()].filter(id => !shut.has(id))
  const visible: Pool[] = []
  const walk = (p: Pool) => {
    visible.push(p)
    if (!shut.has(p.IpamPoolId ?? '')) children.get(p.IpamPoolId ?? '')?.forEach(walk)
  }
  items.forEach(walk)
  const use = useByPool(visible)

  return (
    <Table<Pool>
      items={items}
      trackBy={p => p.IpamPoolId ?? ''}
      loading={loading}
      loadingText={c.loading}
      stickyHeader
      wrapLines
      resizableColumns
      enableKeyboardNavigation
      ariaLabels={{ tableLabel: t.title, expandButtonLabel: p => t.expandOne(displayName(p.Tags, p.IpamPoolId)), collapseButtonLabel: p => t.collapseOne(displayName(p.Tags, p.IpamPoolId)) }}
      expandableRows={{
        getItemChildren: p => children.get(p.IpamPoolId ?? '') ?? [],
        isItemExpandable: p => children.has(p.IpamPoolId ?? ''),
        expandedItems: pools.filter(p => open.includes(p.IpamPoolId ?? '')),
        onExpandableItemToggle: e => {
          const next = new Set(shut)
          if (e.detail.expanded) next.delete(e.detail.item.IpamPoolId ?? '')
          else next.add(e.detail.item.IpamPoolId ?? '')
          setClosed(next)
        },
      }}
      columnDefinitions={[
        { id: 'name', header: t.title, isRowHeader: true, width: 285, minWidth: 200, cell: p => <><PoolLink id={p.IpamPoolId} name={displayName(p.Tags, p.IpamPoolId)} /><Box variant="small" display="block" color="text-body-secondary">{p.IpamPoolId}</Box>{p.Description === undefined || p.Description === '' ? null : <Box variant="small" display="block"><Text text={p.Description} /></Box>}</> },
        { id: 'cidrs', header: c.cidr, width: 205, cell: p => <PoolCidrs pool={p} /> },
        { id: 'use', header: t.allocated, width: 160, cell: p => <Usage percent={takenOf(use.get(p.IpamPoolId)?.Samples?.at(-1))} label={displayName(p.Tags, p.IpamPoolId)} /> },
        { id: 'forecast', header: t.forecast, width: 160, cell: p => { const text = forecast(use.get(p.IpamPoolId)?.Forecast); return text === undefined ? <None /> : <To href={`/pools/${p.IpamPoolId}?tab=utilisation`}>{text}</To> } },
        { id: 'locale', header: c.locale, width: 140, cell: p => <Region name={p.Locale} /> },
        { id: 'state', header: c.state, width: 180, cell: p => <State state={p.State} message={p.StateMessage} /> },
      ]}
      header={
        <Header counter={loading ? '' : `(${f.number(pools.length)})`} actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="refresh" ariaLabel={c.refresh} onClick={refresh} loading={refreshing && !loading} />
            <Button onClick={() => setClosed(new Set())}>{t.expand}</Button>
            <Button onClick={() => setClosed(new Set(children.keys()))}>{t.collapse}</Button>
          </SpaceBetween>
        }>{t.title}</Header>
      }
      filter={
        <SpaceBetween size="xs">
          {preface}
          <TextFilter filteringText={text} filteringPlaceholder={t.find} filteringAriaLabel={t.find} countText={text === '' ? '' : t.matches(f.number(matches))} onChange={e => { setText(e.detail.filteringText); setPage(1) }} />
        </SpaceBetween>
      }
      pagination={<Pagination currentPageIndex={page} pagesCount={Math.max(1, Math.ceil(roots.length / pageSize))} onChange={e => setPage(e.detail.currentPageIndex)} />}
      empty={<Box textAlign="center"><b>{t.empty}</b><Box variant="p" color="inherit">{t.emptyHelp}</Box></Box>}
    />
  )
}

const shownCidrs = 3

function PoolCidrs({ pool }: { pool: Pool }) {
  const t = useText(texts)
  const f = useFormat()
  const { data } = useQuery({
    queryKey: ['GetIpamPoolCidrs', pool.IpamPoolId, 'first'],
    queryFn: async ({ signal }) => (await collect('GetIpamPoolCidrs', { IpamPoolId: pool.IpamPoolId ?? '' }, poolCidrsOf, { signal })).rows,
    staleTime: 60_000,
  })
  if (!data) return <None />
  if (data.length === 0) return <None />
  return (
    <>
      {data.slice(0, shownCidrs).map(cidr => (
        <div key={cidr.IpamPoolCidrId ?? cidr.Cidr}>
          <CidrLink cidr={cidr.Cidr} pool={pool.IpamPoolId} />
          {cidr.State === 'provisioned' ? null : <div><State state={cidr.State} message={cidr.FailureReason?.Message} /></div>}
        </div>
      ))}
      {data.length > shownCidrs ? <To href={`/pools/${pool.IpamPoolId}?tab=cidrs`}>{t.more(f.number(data.length - shownCidrs))}</To> : null}
    </>
  )
}

function Flat({ pools, loading, preface, refresh, error }: { pools: readonly Pool[]; loading: boolean; preface: React.ReactNode; refresh: () => void; error: unknown }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const forecast = useForecastText()
  const use = useByPool(pools)
  const percent = (p: Pool) => use.get(p.IpamPoolId)?.Samples?.at(-1)
  const columns: Column<Pool>[] = [
    { id: 'name', header: c.name, text: p => displayName(p.Tags, p.IpamPoolId), cell: p => <PoolLink id={p.IpamPoolId} name={displayName(p.Tags, p.IpamPoolId)} />, width: 220 },
    { id: 'id', header: c.id, text: p => p.IpamPoolId, cell: p => <Id id={p.IpamPoolId} />, filter: 'ipam-pool-id', width: 270 },
    { id: 'description', header: c.description, text: p => p.Description, cell: p => <Text text={p.Description} />, filter: 'description', width: 180 },
    { id: 'allocated', header: t.allocated, text: p => takenOf(percent(p))?.toFixed(2), number: p => takenOf(percent(p)), cell: p => <Usage percent={takenOf(percent(p))} label={displayName(p.Tags, p.IpamPoolId)} />, width: 180 },
    { id: 'free', header: t.free, text: p => percent(p)?.FreeAddresses?.toString(), number: p => percent(p)?.FreeAddresses, cell: p => (percent(p)?.FreeAddresses === undefined ? c.none : f.addresses(percent(p)?.FreeAddresses ?? 0)), hidden: true, width: 150 },
    { id: 'forecast', header: t.forecast, text: p => use.get(p.IpamPoolId)?.Forecast?.Expected ?? use.get(p.IpamPoolId)?.Forecast?.Outcome, cell: p => forecast(use.get(p.IpamPoolId)?.Forecast) ?? c.none, width: 200 },
    { id: 'locale', header: c.locale, text: p => (p.Locale === 'None' ? undefined : p.Locale), cell: p => <Region name={p.Locale} />, filter: 'locale', width: 150 },
    { id: 'state', header: c.state, text: p => p.State, cell: p => <State state={p.State} message={p.StateMessage} />, filter: 'state', width: 170 },
    { id: 'family', header: t.family, text: p => p.AddressFamily, filter: 'address-family', options: [{ value: 'ipv4', label: 'IPv4' }, { value: 'ipv6', label: 'IPv6' }], hidden: true, width: 140 },
    { id: 'depth', header: t.depth, text: p => p.PoolDepth?.toString(), number: p => p.PoolDepth, hidden: true, width: 100 },
    { id: 'source', header: t.source, text: p => p.SourceIpamPoolId, cell: p => <PoolLink id={p.SourceIpamPoolId} />, filter: 'source-ipam-pool-id', hidden: true, width: 270 },
    { id: 'tags', header: c.tags, text: p => (p.Tags ?? []).map(g => `${g.Key ?? ''}=${g.Value ?? ''}`).join(', '), hidden: true, width: 260 },
  ]
  return <List id="pools" title={t.title} source={{ rows: pools, loading, refresh, error }} columns={columns} rowId={p => p.IpamPoolId ?? ''} preface={preface} empty={t.empty} />
}
