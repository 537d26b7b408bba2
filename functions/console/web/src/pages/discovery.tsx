import Box from '@cloudscape-design/components/box'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator, { type StatusIndicatorProps } from '@cloudscape-design/components/status-indicator'
import Toggle from '@cloudscape-design/components/toggle'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { collect } from '../api/paging'
import { type DiscoveredAccount } from '../data'
import { useFormat } from '../format'
import { Account, Text, Time } from '../parts/cells'
import { Failure } from '../parts/error'
import { List, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { DiscoverySelect, useDiscovery } from '../parts/regions'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Discovery', help: 'Accounts and Regions that discovery reads, how fresh each is, and what to do where it fails.', accounts: 'Accounts × Regions', failing: 'Failing accounts only', unit: 'Organizational unit', worst: 'State', failures: 'Failures and what to do', do: 'What to do', failure: 'Failure', success: 'Last success', empty: 'Discovery has read no account yet.', allFine: 'Every account is read in every Region.', never: 'Never read', stale: 'Not read for a day',
    fresh: (ago: string) => `Read ${ago}`, failed: 'Fails',
    todo: {
      'assume-role-failure': 'Create the reader role in the account (the StackSet does it for accounts that join), and check that its trust policy names the account of Cadastre.',
      'unauthorized-failure': 'Give the reader role the EC2 permissions that the message names, and check that no service control policy denies them in this Region.',
      'throttling-failure': 'EC2 throttles the account’s calls. Discovery tries again; if it stays, look for other tools that call Describe operations often.',
      other: 'Read the message. Discovery tries again with the next schedule.',
    },
  },
  ja: {
    title: '検出', help: '検出の対象となるアカウントとリージョン、情報の鮮度、失敗した場合の対処方法です。', accounts: 'アカウント × リージョン', failing: '失敗したアカウントのみ', unit: '組織単位 (OU)', worst: '状態', failures: '失敗と対処方法', do: '対処方法', failure: '失敗の理由', success: '最後の成功', empty: 'まだ検出されたアカウントはありません。', allFine: 'すべてのアカウントをすべてのリージョンで検出できています。', never: '未検出', stale: '1 日以上未検出',
    fresh: ago => `${ago}に検出`, failed: '失敗',
    todo: {
      'assume-role-failure': 'アカウントに読み取り用ロールを作成してください (組織に参加するアカウントには StackSet が作成します)。信頼ポリシーに Cadastre のアカウントが指定されていることも確認してください。',
      'unauthorized-failure': 'メッセージに示された EC2 の許可を読み取り用ロールに追加し、このリージョンでサービスコントロールポリシー (SCP) が拒否していないことを確認してください。',
      'throttling-failure': 'EC2 がこのアカウントの呼び出しをスロットリングしています。検出は再試行します。続く場合は、Describe 操作を頻繁に呼び出す他のツールを確認してください。',
      other: 'メッセージを確認してください。次のスケジュールで再試行します。',
    },
  },
})

interface Row { account: string; unit: string | undefined; byRegion: Record<string, DiscoveredAccount> }

const day = 86_400_000

export function Discovery() {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const place = useDiscovery()
  const [search, setSearch] = useSearchParams()
  const failingOnly = search.get('failing') === '1'
  const id = place.discovery?.IpamResourceDiscoveryId
  const { regions } = place
  // The API answers for one Region a call.
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['GetIpamDiscoveredAccounts', id, regions],
    queryFn: async ({ signal }) => {
      const all: DiscoveredAccount[] = []
      for (const DiscoveryRegion of regions) all.push(...(await collect('GetIpamDiscoveredAccounts', { IpamResourceDiscoveryId: id ?? '', DiscoveryRegion }, o => o.IpamDiscoveredAccounts, { signal })).rows)
      return all
    },
    enabled: id !== undefined && regions.length > 0,
  })
  const rows = useMemo(() => {
    const byAccount = new Map<string, Row>()
    for (const a of data ?? []) {
      const row = byAccount.get(a.AccountId ?? '') ?? { account: a.AccountId ?? '', unit: a.OrganizationalUnitId, byRegion: {} }
      row.byRegion[a.DiscoveryRegion ?? ''] = a
      byAccount.set(row.account, row)
    }
    return [...byAccount.values()].filter(r => !failingOnly || Object.values(r.byRegion).some(a => a.FailureReason !== undefined))
  }, [data, failingOnly])
  const failures = (data ?? []).filter(a => a.FailureReason !== undefined)

  const freshness = (a: DiscoveredAccount | undefined): { type: StatusIndicatorProps.Type; text: string } => {
    if (!a) return { type: 'stopped', text: t.never }
    const last = a.LastSuccessfulDiscoveryTime
    if (a.FailureReason) return { type: 'error', text: last === undefined ? t.failed : `${t.failed} · ${t.fresh(f.ago(last))}` }
    if (last === undefined) return { type: 'pending', text: t.never }
    return Date.now() - Date.parse(last) > day ? { type: 'warning', text: t.stale } : { type: 'success', text: t.fresh(f.ago(last)) }
  }
  const columns: Column<Row>[] = [
    { id: 'account', header: c.account, text: r => r.account, cell: r => <Account id={r.account} />, width: 160 },
    { id: 'unit', header: t.unit, text: r => r.unit, cell: r => <Text text={r.unit} />, hidden: true, width: 190 },
    ...regions.map((region): Column<Row> => ({
      id: region, header: region, width: 230, text: r => freshness(r.byRegion[region]).text,
      cell: r => { const { type, text } = freshness(r.byRegion[region]); return <span title={r.byRegion[region]?.FailureReason?.Message}><StatusIndicator type={type}>{text}</StatusIndicator></span> },
    })),
  ]
  const todo = (code: string | undefined) => (t.todo as Record<string, string>)[code ?? ''] ?? t.todo.other
  const failureColumns: Column<DiscoveredAccount>[] = [
    { id: 'account', header: c.account, text: r => r.AccountId, cell: r => <Account id={r.AccountId} />, width: 150 },
    { id: 'region', header: c.region, text: r => r.DiscoveryRegion, width: 150 },
    { id: 'message', header: t.failure, text: r => r.FailureReason?.Message, width: 360, cell: r => <><Text text={r.FailureReason?.Message} /><Box variant="small" display="block">{r.FailureReason?.Code}</Box></> },
    { id: 'todo', header: t.do, text: r => todo(r.FailureReason?.Code), width: 420 },
    { id: 'success', header: t.success, text: r => r.LastSuccessfulDiscoveryTime, cell: r => (r.LastSuccessfulDiscoveryTime === undefined ? t.never : <Time at={r.LastSuccessfulDiscoveryTime} ago />), width: 150 },
    { id: 'attempt', header: c.time, text: r => r.LastAttemptedDiscoveryTime, cell: r => <Time at={r.LastAttemptedDiscoveryTime} />, hidden: true, width: 220 },
  ]
  const refresh = () => void refetch()
  const loading = (isPending && regions.length > 0) || place.loading
  return (
    <Page title={t.title} description={t.help}>
      <SpaceBetween size="l">
        {place.error ? <Failure error={place.error} /> : null}
        <List
          local
          id="discovery"
          title={t.accounts}
          source={{ rows, loading, error, refresh }}
          columns={columns}
          rowId={r => r.account}
          empty={failingOnly ? t.allFine : t.empty}
          preface={
            <SpaceBetween direction="horizontal" size="l" alignItems="end">
              <DiscoverySelect discoveries={place.discoveries} discovery={place.discovery} choose={place.chooseDiscovery} />
              <Toggle checked={failingOnly} onChange={e => setSearch(old => { const next = new URLSearchParams(old); if (e.detail.checked) next.set('failing', '1'); else next.delete('failing'); return next }, { replace: true })}>{t.failing}</Toggle>
            </SpaceBetween>
          }
        />
        <List local wrap id="discovery-failures" title={t.failures} source={{ rows: failures, loading, refresh }} columns={failureColumns} rowId={r => `${r.AccountId ?? ''} ${r.DiscoveryRegion ?? ''}`} empty={t.allFine} />
      </SpaceBetween>
    </Page>
  )
}
