import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { type Output } from '../api/call'
import { type SearchMatch } from '../api/shapes'
import { useRows } from '../api/paging'
import { usePoolNames } from '../data'
import { CidrLink, HistoryLink, Id, None, PoolLink, Region, Status, Text, Time, useTypeName } from '../parts/cells'
import { Failure } from '../parts/error'
import { query, To } from '../parts/link'
import { List, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Search', titleOf: (text: string) => `Search: ${text}`, help: 'An address, a CIDR, an id, an account, a tag as key=value, or any text: which pool it is in, who has it, and since when.', enter: 'Enter a text in the field at the top (key /).', what: 'What', by: 'Found by', results: 'Matches', none: 'Nothing is found.', notSearched: 'Not searched',
    kinds: { ipam: 'IPAM', 'ipam-scope': 'Scope', 'ipam-pool': 'Pool', 'ipam-pool-cidr': 'CIDR of a pool', 'ipam-pool-allocation': 'Allocation', resource: 'Resource', 'ipam-resource-discovery': 'Resource discovery' },
    matched: { address: 'Address', cidr: 'CIDR', id: 'ID', account: 'Account', tag: 'Tag', name: 'Name', description: 'Description' },
  },
  ja: {
    title: '検索', titleOf: text => `検索: ${text}`, help: 'アドレス、CIDR、ID、アカウント、タグ (key=value)、任意のテキストから、どのプールに属し、誰が、いつから使用しているかを検索します。', enter: '上部の検索欄にテキストを入力してください (/ キー)。', what: '種類', by: '一致した項目', results: '検索結果', none: '見つかりませんでした。', notSearched: '検索対象外',
    kinds: { ipam: 'IPAM', 'ipam-scope': 'スコープ', 'ipam-pool': 'プール', 'ipam-pool-cidr': 'プールの CIDR', 'ipam-pool-allocation': '割り振り', resource: 'リソース', 'ipam-resource-discovery': 'リソース検出' },
    matched: { address: 'アドレス', cidr: 'CIDR', id: 'ID', account: 'アカウント', tag: 'タグ', name: '名前', description: '説明' },
  },
})

// Each page of the answer also lists the places that were not searched.
const matchesOf = (o: Output<'SearchIpam'>): (SearchMatch & { notSearched?: string[] })[] => {
  const matches = o.IpamSearchMatches ?? []
  return o.NotSearched !== undefined && o.NotSearched.length > 0 ? [...matches, { notSearched: o.NotSearched }] : matches
}

export function Search() {
  const t = useText(texts)
  const c = useText(common)
  const [search] = useSearchParams()
  const text = (search.get('q') ?? '').trim()
  const input = useMemo(() => ({ Text: text }), [text])
  const { rows: all, loading, error, refresh } = useRows('SearchIpam', input, matchesOf, { want: 1000, enabled: text !== '' })
  const rows = useMemo(() => all.filter(r => r.notSearched === undefined), [all])
  const missed = useMemo(() => [...new Set(all.flatMap(r => r.notSearched ?? []))], [all])
  const typeName = useTypeName()
  const poolName = usePoolNames()
  const kinds = t.kinds as Record<string, string>
  const matched = t.matched as Record<string, string>
  const columns: Column<SearchMatch>[] = [
    { id: 'what', header: t.what, text: r => kinds[r.MatchKind ?? ''] ?? r.MatchKind, cell: r => <>{kinds[r.MatchKind ?? ''] ?? r.MatchKind}{r.ResourceType === undefined ? null : <Box variant="small" display="block">{typeName(r.ResourceType)}</Box>}</>, width: 150 },
    { id: 'name', header: c.name, text: r => r.Name ?? r.Description, cell: r => <Text text={r.Name ?? r.Description} />, width: 210 },
    { id: 'id', header: c.id, text: r => r.Id ?? r.ResourceId, cell: r => <Target match={r} />, width: 250 },
    { id: 'cidr', header: c.cidr, text: r => r.Cidr, cell: r => <CidrLink cidr={r.Cidr} scope={r.IpamScopeId} pool={r.IpamScopeId === undefined ? r.IpamPoolId : undefined} />, cidr: true, width: 170 },
    { id: 'pool', header: c.pool, text: r => r.IpamPoolId, cell: r => <PoolLink id={r.IpamPoolId} name={poolName(r.IpamPoolId)} />, width: 180 },
    { id: 'account', header: c.account, text: r => r.OwnerId, cell: r => (r.OwnerId === undefined ? <None /> : <To href={query('/search', { q: r.OwnerId })}>{r.OwnerId}</To>), width: 150 },
    { id: 'region', header: c.region, text: r => r.ResourceRegion, cell: r => <Region name={r.ResourceRegion} />, width: 150 },
    { id: 'since', header: c.since, text: r => r.Since, cell: r => (r.Since === undefined ? <None /> : <HistoryLink cidr={r.Cidr} scope={r.IpamScopeId}><Time at={r.Since} ago /></HistoryLink>), width: 130 },
    { id: 'compliance', header: c.compliance, text: r => r.ComplianceStatus, cell: r => <Status status={r.ComplianceStatus} />, width: 150 },
    { id: 'overlap', header: c.overlap, text: r => r.OverlapStatus, cell: r => <Status status={r.OverlapStatus} />, width: 150 },
    { id: 'by', header: t.by, text: r => matched[r.MatchedBy ?? ''] ?? r.MatchedBy, width: 130 },
  ]
  return (
    <Page title={text === '' ? t.title : t.titleOf(text)} description={t.help}>
      {text === '' ? <Box color="text-body-secondary">{t.enter}</Box> : (
        <>
          {missed.length > 0 ? <Alert type="info" header={t.notSearched}>{missed.map(s => <div key={s}>{s}</div>)}</Alert> : null}
          {error && rows.length === 0 ? <Failure error={error} retry={refresh} /> : (
            <List local id="search" title={t.results} source={{ rows, loading, error, refresh }} columns={columns} rowId={r => `${r.MatchKind ?? ''} ${r.Id ?? ''} ${r.Cidr ?? ''} ${r.IpamPoolId ?? ''} ${r.IpamScopeId ?? ''}`} empty={t.none} />
          )}
        </>
      )}
    </Page>
  )
}

// Target links a match to its page.
function Target({ match: m }: { match: SearchMatch }) {
  const id = m.Id ?? m.ResourceId
  switch (m.MatchKind) {
    case 'ipam-pool': return <PoolLink id={m.IpamPoolId ?? id} />
    case 'ipam-pool-cidr': return <To href={`/pools/${m.IpamPoolId ?? ''}?tab=cidrs`}>{m.IpamPoolId}</To>
    case 'ipam-pool-allocation': return <To href={`/pools/${m.IpamPoolId ?? ''}?tab=allocations`}>{m.IpamPoolAllocationId ?? id}</To>
    case 'resource': return <To href={query('/resources', { scope: m.IpamScopeId, 'resource-id': m.ResourceId ?? id })}>{m.ResourceId ?? id}</To>
    case 'ipam': case 'ipam-scope': return <To href="/settings">{id}</To>
    case 'ipam-resource-discovery': return <To href={query('/discovery', { discovery: id })}>{id}</To>
    default: return <Id id={id} />
  }
}
