import { useQuery } from '@tanstack/react-query'
import { collect } from '../api/paging'
import { poolCidrsOf, usePoolNames } from '../data'
import { CidrLink, Id, PoolLink, State, Text } from '../parts/cells'
import { query, To } from '../parts/link'
import { List, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: { title: 'Requests', help: 'Changes that are under way or have failed: of IPAMs, scopes, pools, their CIDRs and resource discoveries.', object: 'Object', what: 'What', message: 'Message', empty: 'Nothing is under way, and nothing has failed.', cut: (n: number) => `CIDRs of the first ${n} pools are looked at.`, kinds: { ipam: 'IPAM', scope: 'Scope', pool: 'Pool', cidr: 'CIDR of a pool', discovery: 'Resource discovery', association: 'Association' } },
  ja: { title: 'リクエスト', help: '処理中または失敗した変更です。IPAM、スコープ、プール、プールの CIDR、リソース検出が対象です。', object: 'オブジェクト', what: '種類', message: 'メッセージ', empty: '処理中または失敗した変更はありません。', cut: n => `CIDR は先頭の ${n} プールのみ確認しています。`, kinds: { ipam: 'IPAM', scope: 'スコープ', pool: 'プール', cidr: 'プールの CIDR', discovery: 'リソース検出', association: '関連付け' } },
})

export interface Request {
  kind: 'ipam' | 'scope' | 'pool' | 'cidr' | 'discovery' | 'association'
  id: string | undefined
  pool?: string | undefined
  state: string
  message?: string | undefined
}

// poolsRead is the number of pools whose CIDRs are read: each takes a call.
const poolsRead = 200

const unfinished = [{ Name: 'state', Values: ['*-in-progress', '*-failed'] }]
const unfinishedCidr = [{ Name: 'state', Values: ['pending-*', 'failed-*'] }]

async function read(signal: AbortSignal): Promise<{ rows: Request[]; cut: boolean }> {
  const [ipams, scopes, pools, discoveries, associations, all] = await Promise.all([
    collect('DescribeIpams', { Filters: unfinished }, o => o.Ipams, { signal }),
    collect('DescribeIpamScopes', { Filters: unfinished }, o => o.IpamScopes, { signal }),
    collect('DescribeIpamPools', { Filters: unfinished }, o => o.IpamPools, { signal }),
    collect('DescribeIpamResourceDiscoveries', { Filters: unfinished }, o => o.IpamResourceDiscoveries, { signal }),
    collect('DescribeIpamResourceDiscoveryAssociations', { Filters: unfinished }, o => o.IpamResourceDiscoveryAssociations, { signal }),
    collect('DescribeIpamPools', {}, o => o.IpamPools, { signal }),
  ])
  const rows: Request[] = [
    ...ipams.rows.map(r => ({ kind: 'ipam' as const, id: r.IpamId, state: r.State ?? '', message: r.StateMessage })),
    ...scopes.rows.map(r => ({ kind: 'scope' as const, id: r.IpamScopeId, state: r.State ?? '' })),
    ...pools.rows.map(r => ({ kind: 'pool' as const, id: r.IpamPoolId, pool: r.IpamPoolId, state: r.State ?? '', message: r.StateMessage })),
    ...discoveries.rows.map(r => ({ kind: 'discovery' as const, id: r.IpamResourceDiscoveryId, state: r.State ?? '' })),
    ...associations.rows.map(r => ({ kind: 'association' as const, id: r.IpamResourceDiscoveryAssociationId, state: r.State ?? '' })),
  ]
  const ids = all.rows.flatMap(p => p.IpamPoolId ?? []).slice(0, poolsRead)
  // A few at a time: the browser opens six connections to a server.
  for (let i = 0; i < ids.length; i += 6) {
    const found = await Promise.all(ids.slice(i, i + 6).map(async id => {
      const cidrs = await collect('GetIpamPoolCidrs', { IpamPoolId: id, Filters: unfinishedCidr }, poolCidrsOf, { signal })
      return cidrs.rows.map((r): Request => ({ kind: 'cidr', id: r.Cidr, pool: id, state: r.State ?? '', message: r.FailureReason?.Message }))
    }))
    rows.push(...found.flat())
  }
  return { rows, cut: all.rows.length > poolsRead || all.more }
}

export function Requests() {
  const t = useText(texts)
  const c = useText(common)
  const poolName = usePoolNames()
  const { data, error, isPending, refetch } = useQuery({ queryKey: ['DescribeIpamPools', 'requests'], queryFn: ({ signal }) => read(signal), refetchInterval: 10_000 })
  const columns: Column<Request>[] = [
    { id: 'object', header: t.object, text: r => r.id, width: 300, cell: r => (r.kind === 'cidr' ? <CidrLink cidr={r.id} pool={r.pool} /> : r.kind === 'pool' ? <PoolLink id={r.id} /> : r.kind === 'ipam' || r.kind === 'scope' ? <To href={query('/settings', { id: r.id })}>{r.id}</To> : <Id id={r.id} />) },
    { id: 'what', header: t.what, text: r => t.kinds[r.kind], width: 170 },
    { id: 'state', header: c.state, text: r => r.state, cell: r => <State state={r.state} />, width: 200 },
    { id: 'pool', header: c.pool, text: r => r.pool, cell: r => <PoolLink id={r.pool} name={poolName(r.pool)} />, width: 200 },
    { id: 'message', header: t.message, text: r => r.message, cell: r => <Text text={r.message} />, width: 480 },
  ]
  return (
    <Page title={t.title} description={t.help}>
      <List
        local
        id="requests"
        title={t.title}
        source={{ rows: data?.rows ?? [], loading: isPending, error, refresh: () => void refetch() }}
        columns={columns}
        rowId={r => `${r.kind} ${r.pool ?? ''} ${r.id ?? ''}`}
        description={data?.cut === true ? t.cut(poolsRead) : undefined}
        empty={t.empty}
      />
    </Page>
  )
}
