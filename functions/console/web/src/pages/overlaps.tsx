import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import ExpandableSection from '@cloudscape-design/components/expandable-section'
import Header from '@cloudscape-design/components/header'
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import Pagination from '@cloudscape-design/components/pagination'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import TextFilter from '@cloudscape-design/components/text-filter'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { call } from '../api/call'
import { collect } from '../api/paging'
import { parseCidr, size } from '../cidr'
import { idOf, resourcesOf, usePoolNames, usePools, useScopeName, useScopes, type Resource } from '../data'
import { useFormat } from '../format'
import { Account, CidrLink, HistoryLink, Id, None, PoolLink, Region, Status, Text, useTypeName } from '../parts/cells'
import { csv, download } from '../parts/csv'
import { Failure } from '../parts/error'
import { query, To } from '../parts/link'
import { Loading } from '../parts/loading'
import { Page } from '../parts/page'
import { ScopeSelect, useScope } from '../parts/scope'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'
import { useMay } from '../session'
import { pairsOf, type Pair } from './pairs'

const texts = catalogue({
  en: {
    title: 'Overlaps', help: 'Pairs of resources of a scope that have addresses in common. Networks that overlap cannot be connected.',
    none: 'No overlaps in this scope', noneHelp: 'All resources of the scope have addresses of their own.', pairs: (n: string) => `${n} pairs`, more: 'There are more pairs than are shown. Narrow the list with the filter, or resolve these first.', find: 'Find by CIDR, resource, account or name', matches: (n: string) => `${n} matches`,
    same: (cidr: string) => `Both have ${cidr}`, inside: (cidr: string) => `${cidr} lies inside`, usage: 'IP usage', waysOut: 'Ways out',
    connect: 'The two networks will be connected', connectHelp: (length: string) => `One of them needs other addresses. Choose a pool to see a free CIDR of length ${length}; create a new VPC with it and move the workloads.`,
    apart: 'The two networks stay apart', move: 'Move one to another scope', moveHelp: 'CIDRs of different scopes do not overlap. Scopes for this:', noScope: 'There is no other private scope; create one in the settings.', ignore: 'Ignore one', ignoreHelp: 'An ignored CIDR is not checked for overlaps and rules, and its space is free for the pool.',
    preview: (pool: string) => `Show a free CIDR of ${pool}`, free: (cidr: string) => `${cidr} is free.`, noPool: 'No pool of this scope and locale.', csv: 'Download CSV', first: 'First', second: 'Second', actHere: 'Open it among the resources to act', administrators: 'Administrators move and ignore resources.',
  },
  ja: {
    title: '重複', help: 'スコープ内で同じアドレスを持つリソースの組です。重複するネットワークは相互接続できません。',
    none: 'このスコープに重複はありません', noneHelp: 'すべてのリソースのアドレスは重複していません。', pairs: n => `${n} 組`, more: '表示されていない組があります。フィルターで絞り込むか、先に表示中の重複を解消してください。', find: 'CIDR、リソース、アカウント、名前で検索', matches: n => `${n} 件一致`,
    same: cidr => `どちらも ${cidr} を使用`, inside: cidr => `${cidr} が内側に含まれます`, usage: 'IP 使用状況', waysOut: '対処方法',
    connect: '相互接続の予定がある場合', connectHelp: length => `片方を別の CIDR にする必要があります。プールを選ぶと、長さ ${length} の空き CIDR を表示します。その CIDR で新しい VPC を作成し、リソースを移行してください。`,
    apart: '相互接続の予定がない場合', move: '片方を別のスコープへ移動', moveHelp: 'スコープが異なる CIDR は重複になりません。移動先のスコープ:', noScope: '他のプライベートスコープはありません。設定で作成してください。', ignore: '片方を無視としてマーク', ignoreHelp: '無視した CIDR は重複とルールの確認対象外になり、その空間はプールで空きになります。',
    preview: pool => `${pool} の空き CIDR を表示`, free: cidr => `${cidr} は空いています。`, noPool: 'このスコープとロケールのプールはありません。', csv: 'CSV をダウンロード', first: '1 つ目', second: '2 つ目', actHere: 'リソースの一覧で操作する', administrators: 'リソースの移動と無視は管理者が行います。',
  },
})

const pageSize = 10

export function Overlaps() {
  const t = useText(texts)
  const f = useFormat()
  const place = useScope()
  const id = place.scope?.IpamScopeId
  const [text, setText] = useState('')
  const [page, setPage] = useState(1)
  const input = { IpamScopeId: id ?? '', Filters: [{ Name: 'overlap-status', Values: ['overlapping'] }] }
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['GetIpamResourceCidrs', input, 'pairs'],
    queryFn: async ({ signal }) => collect('GetIpamResourceCidrs', input, resourcesOf, { signal }),
    enabled: id !== undefined,
  })
  const { pairs, more } = useMemo(() => pairsOf(data?.rows ?? []), [data])
  const shown = useMemo(() => {
    const needle = text.trim().toLowerCase()
    return pairs.filter(p => needle === '' || [p.a, p.b].some(r => [r.ResourceCidr, r.ResourceId, r.ResourceName, r.ResourceOwnerId].some(s => s?.toLowerCase().includes(needle) === true)))
  }, [pairs, text])
  const items = shown.slice((page - 1) * pageSize, page * pageSize)
  const save = () => download('cadastre-overlaps.csv', csv(
    [t.first, t.second].flatMap(which => ['CIDR', 'ID', 'Name', 'Account', 'Region'].map(c => `${which} ${c}`)),
    shown.map(p => [p.a, p.b].flatMap(r => [r.ResourceCidr ?? '', r.ResourceId ?? '', r.ResourceName ?? '', r.ResourceOwnerId ?? '', r.ResourceRegion ?? ''])),
  ))
  return (
    <Page title={t.title} description={t.help} actions={<Button iconName="download" disabled={shown.length === 0} onClick={save}>CSV</Button>}>
      <SpaceBetween size="l">
        {place.error ? <Failure error={place.error} /> : null}
        {error ? <Failure error={error} retry={() => void refetch()} /> : null}
        <SpaceBetween size="xs">
          <ScopeSelect {...place} choose={id => { place.choose(id); setPage(1) }} />
          <TextFilter filteringText={text} filteringPlaceholder={t.find} filteringAriaLabel={t.find} countText={text === '' ? '' : t.matches(f.number(shown.length))} onChange={e => { setText(e.detail.filteringText); setPage(1) }} />
        </SpaceBetween>
        {more || data?.more === true ? <StatusIndicator type="warning">{t.more}</StatusIndicator> : null}
        {isPending && !place.error ? <Loading /> : null}
        {data && pairs.length === 0 ? <Alert type="success" header={t.none}>{t.noneHelp}</Alert> : null}
        {pairs.length > 0 ? (
          <Header variant="h2" actions={shown.length > pageSize ? <Pagination currentPageIndex={page} pagesCount={Math.ceil(shown.length / pageSize)} onChange={e => setPage(e.detail.currentPageIndex)} /> : undefined}>
            {t.pairs(f.number(shown.length))}
          </Header>
        ) : null}
        {items.map(p => <Side key={`${p.a.ResourceId} ${p.b.ResourceId} ${p.part} ${p.a.ResourceCidr}`} pair={p} />)}
      </SpaceBetween>
    </Page>
  )
}

function Side({ pair }: { pair: Pair }) {
  const t = useText(texts)
  return (
    <Container header={<Header variant="h3" description={pair.same ? t.same(pair.part) : t.inside(pair.part)}>{pair.a.ResourceCidr} ∩ {pair.b.ResourceCidr}</Header>}>
      <SpaceBetween size="m">
        <ColumnLayout columns={2} variant="text-grid">
          <One resource={pair.a} />
          <One resource={pair.b} />
        </ColumnLayout>
        <ExpandableSection headerText={t.waysOut}>
          <WaysOut pair={pair} />
        </ExpandableSection>
      </SpaceBetween>
    </Container>
  )
}

function One({ resource: r }: { resource: Resource }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const typeName = useTypeName()
  const poolName = usePoolNames()
  return (
    <KeyValuePairs
      columns={2}
      items={[
        { label: typeName(r.ResourceType), value: <><Text text={r.ResourceName} /><div><Id id={r.ResourceId} /></div></> },
        { label: c.cidr, value: <><CidrLink cidr={r.ResourceCidr} scope={r.IpamScopeId} /> · <HistoryLink cidr={r.ResourceCidr} scope={r.IpamScopeId}>{c.history}</HistoryLink></> },
        { label: c.account, value: <Account id={r.ResourceOwnerId} /> },
        { label: c.region, value: <Region name={r.ResourceRegion} /> },
        { label: c.compliance, value: <Status status={r.ComplianceStatus} /> },
        { label: c.pool, value: r.IpamPoolId === undefined ? <None /> : <PoolLink id={r.IpamPoolId} name={poolName(r.IpamPoolId)} /> },
        { label: t.usage, value: r.IpUsage === undefined ? c.none : f.percent(r.IpUsage * 100) },
      ]}
    />
  )
}

function WaysOut({ pair }: { pair: Pair }) {
  const t = useText(texts)
  const may = useMay()
  const name = useScopeName()
  const scopes = useScopes().data?.filter(s => s.IpamScopeType === 'private' && s.IpamScopeId !== pair.a.IpamScopeId)
  const smaller = parseCidr(pair.b.ResourceCidr ?? '')
  const acts = [pair.a, pair.b].map(r => <li key={r.ResourceId}><To href={query('/resources', { scope: r.IpamScopeId, 'resource-id': r.ResourceId })}>{t.actHere}: {r.ResourceId}</To></li>)
  return (
    <ColumnLayout columns={2}>
      <div>
        <Box variant="h4">{t.connect}</Box>
        <Box variant="p">{t.connectHelp(`/${smaller?.length ?? ''}`)}</Box>
        <FreeCidr resource={pair.b} length={smaller?.length} />
      </div>
      <div>
        <Box variant="h4">{t.apart}</Box>
        <Box variant="p"><b>{t.move}</b>. {scopes?.length === 0 ? t.noScope : <>{t.moveHelp} {scopes?.map(s => <Box key={s.IpamScopeId} display="block"><To href={query('/resources', { scope: s.IpamScopeId })}>{name(s)}</To></Box>)}</>}</Box>
        <Box variant="p"><b>{t.ignore}</b>. {t.ignoreHelp}</Box>
        {may('ModifyIpamResourceCidr') ? <ul>{acts}</ul> : <Box color="text-body-secondary">{t.administrators}</Box>}
      </div>
    </ColumnLayout>
  )
}

// FreeCidr asks pools of the resource's Region for a CIDR that would do. A preview takes nothing.
function FreeCidr({ resource, length }: { resource: Resource; length: number | undefined }) {
  const t = useText(texts)
  const may = useMay()
  const [pool, setPool] = useState<string>()
  const pools = usePools().data?.filter(p => idOf(p.IpamScopeArn) === resource.IpamScopeId && p.Locale === resource.ResourceRegion && p.AddressFamily === (resource.ResourceCidr?.includes(':') === true ? 'ipv6' : 'ipv4'))
  const { data, error, isFetching } = useQuery({
    queryKey: ['AllocateIpamPoolCidr', { pool, length }, 'preview'],
    queryFn: async ({ signal }) => (await call('AllocateIpamPoolCidr', { IpamPoolId: pool ?? '', NetmaskLength: length, PreviewNextCidr: true }, { signal, region: resource.ResourceRegion })).IpamPoolAllocation?.Cidr,
    enabled: pool !== undefined && length !== undefined,
    staleTime: 0,
  })
  if (!may('AllocateIpamPoolCidr')) return null
  if (pools?.length === 0) return <Box color="text-body-secondary">{t.noPool}</Box>
  const cidr = parseCidr(data ?? '')
  return (
    <SpaceBetween size="xs">
      {pools?.slice(0, 5).map(p => {
        const name = p.Tags?.find(g => g.Key === 'Name')?.Value ?? p.IpamPoolId ?? ''
        return <Button key={p.IpamPoolId} variant="inline-link" loading={isFetching && pool === p.IpamPoolId} onClick={() => setPool(p.IpamPoolId)}>{t.preview(name)}</Button>
      })}
      {error ? <Failure error={error} /> : null}
      {cidr && size(cidr) > 0n ? <StatusIndicator type="success"><CidrLink cidr={data} pool={pool} /> · {t.free(data ?? '')}</StatusIndicator> : null}
    </SpaceBetween>
  )
}
