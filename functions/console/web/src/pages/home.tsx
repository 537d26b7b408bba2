import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from 'react-router'
import { call } from '../api/call'
import type { IpamSummary, ScopeSummary, SummaryChange } from '../api/shapes'
import { useIpams, useScopeName, useScopes } from '../data'
import { useFormat } from '../format'
import { Account, HistoryLink, PoolLink, Region, Status, Time, useTypeName } from '../parts/cells'
import { Failure } from '../parts/error'
import { Figure } from '../parts/figure'
import { query, To } from '../parts/link'
import { Loading } from '../parts/loading'
import { Page } from '../parts/page'
import { Plain } from '../parts/plain'
import { common } from '../parts/text'
import { takenOf, Usage, useForecastText } from '../parts/usage'
import { useMay } from '../session'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Address space', empty: 'There is no IPAM yet', emptyHelp: 'An IPAM holds the scopes and pools of an organisation. The wizard takes three steps: the IPAM, its space, the rules.', create: 'Create an IPAM',
    emptyRead: 'An administrator creates the first one.',
    attention: 'Needs attention', overlapping: 'Overlapping', noncompliant: 'Noncompliant', unmanaged: 'Unmanaged', failing: 'Accounts that discovery cannot read', ofAccounts: (n: string) => `of ${n} accounts × Regions`,
    ofResources: (n: string) => `of ${n} resources`, scanned: (ago: string) => `Scanned ${ago}`, notScanned: 'Not scanned yet: the first scan counts the resources within an hour.',
    pools: 'Pools with the least space', allocated: 'Allocated', free: 'Free addresses', forecast: 'Forecast', all: (n: string) => `All ${n} pools`, noPools: 'No pool yet.',
    changes: 'The last 24 hours', began: (n: string) => `${n} appeared`, ended: (n: string) => `${n} went`, noChanges: 'No resource appeared or went.', change: 'Change', beganOne: 'Appeared', endedOne: 'Went', incomplete: 'There were more changes than are counted here.',
    accounts: 'Discovery fails', failure: 'Failure', lastSuccess: 'Last success', never: 'Never', toDiscovery: 'What to do',
    cost: 'Cost of a month', vpcIpam: 'Amazon VPC IPAM', cadastre: 'Cadastre', active: 'Active addresses', price: (price: string, hours: string) => `${price} USD an address and hour × ${hours} hours`, unknown: 'Not measured yet',
    saving: (money: string) => `${money} less a month`,
  },
  ja: {
    title: 'アドレス空間', empty: 'IPAM がまだありません', emptyHelp: 'IPAM は組織のスコープとプールを保持します。ウィザードは IPAM、アドレス空間、ルールの 3 ステップです。', create: 'IPAM を作成',
    emptyRead: '最初の IPAM は管理者が作成します。',
    attention: '確認が必要な項目', overlapping: '重複', noncompliant: '非準拠', unmanaged: 'アンマネージド', failing: '検出できないアカウント', ofAccounts: n => `アカウント × リージョン ${n} 件中`,
    ofResources: n => `リソース ${n} 件中`, scanned: ago => `${ago}にスキャン`, notScanned: 'まだスキャンされていません。最初のスキャンは 1 時間以内に実行されます。',
    pools: '空きの少ないプール', allocated: '割り振り済み', free: '空きアドレス数', forecast: '予測', all: n => `すべてのプール (${n})`, noPools: 'プールはまだありません。',
    changes: '過去 24 時間', began: n => `${n} 件が出現`, ended: n => `${n} 件が消滅`, noChanges: 'リソースの出現や消滅はありません。', change: '変更', beganOne: '出現', endedOne: '消滅', incomplete: 'ここに表示されていない変更があります。',
    accounts: '検出の失敗', failure: '失敗の理由', lastSuccess: '最後の成功', never: 'なし', toDiscovery: '対処方法',
    cost: '1 か月の料金', vpcIpam: 'Amazon VPC IPAM', cadastre: 'Cadastre', active: 'アクティブな IP アドレス', price: (price, hours) => `アドレス・時間あたり ${price} USD × ${hours} 時間`, unknown: '未計測',
    saving: money => `1 か月あたり ${money} の削減`,
  },
})

export function Home() {
  const t = useText(texts)
  const ipams = useIpams()
  const summaries = useQuery({ queryKey: ['GetIpamSummary', {}], queryFn: ({ signal }) => call('GetIpamSummary', {}, { signal }), enabled: (ipams.data?.length ?? 0) > 0 })
  const all = summaries.data?.IpamSummaries
  return (
    <Page title={t.title}>
      <SpaceBetween size="l">
        {ipams.error ? <Failure error={ipams.error} retry={() => void ipams.refetch()} /> : null}
        {summaries.error ? <Failure error={summaries.error} retry={() => void summaries.refetch()} /> : null}
        {ipams.data?.length === 0 ? <NoIpam /> : null}
        {ipams.isPending || (summaries.isPending && summaries.isFetching) ? <Loading /> : null}
        {all?.map(s => <Summary key={s.IpamId} summary={s} named={all.length > 1} />)}
      </SpaceBetween>
    </Page>
  )
}

function NoIpam() {
  const t = useText(texts)
  const may = useMay()
  const navigate = useNavigate()
  return (
    <Alert header={t.empty} action={may('CreateIpam') ? <Button variant="primary" onClick={() => void navigate('/create')}>{t.create}</Button> : undefined}>
      {t.emptyHelp} {may('CreateIpam') ? '' : t.emptyRead}
    </Alert>
  )
}

function Summary({ summary, named }: { summary: IpamSummary; named: boolean }) {
  return (
    <SpaceBetween size="l">
      {named ? <Header variant="h2">{summary.IpamId}</Header> : null}
      <Attention summary={summary} />
      <LeastSpace summary={summary} />
      <Changes summary={summary} />
      <Failing summary={summary} />
      <Cost summary={summary} />
    </SpaceBetween>
  )
}

function Attention({ summary }: { summary: IpamSummary }) {
  const t = useText(texts)
  const f = useFormat()
  const scopes = summary.Scopes ?? []
  const counted = scopes.filter(s => s.AsOf !== undefined)
  const sum = (of: (s: ScopeSummary) => number | undefined) => counted.reduce((n, s) => n + (of(s) ?? 0), 0)
  const asOf = counted.map(s => s.AsOf ?? '').sort()[0]
  // The lists are of one scope: the one with the most behind the number.
  const worst = (of: (s: ScopeSummary) => number | undefined) => [...counted].sort((a, b) => (of(b) ?? 0) - (of(a) ?? 0))[0]?.IpamScopeId
  const figure = (label: string, of: (s: ScopeSummary) => number | undefined, path: string, filter: Record<string, string>) => (
    <Figure
      label={label}
      value={counted.length === 0 ? '–' : f.number(sum(of))}
      href={counted.length === 0 ? undefined : query(path, { scope: worst(of), ...filter })}
      detail={counted.filter(s => (of(s) ?? 0) > 0).length > 1 ? <PerScope scopes={counted} of={of} path={path} filter={filter} /> : t.ofResources(f.number(sum(s => s.Resources)))}
    />
  )
  return (
    <Container header={<Header variant="h2" description={asOf === undefined ? t.notScanned : t.scanned(f.ago(asOf))}>{t.attention}</Header>}>
      <ColumnLayout columns={4} minColumnWidth={180} variant="text-grid">
        {figure(t.overlapping, s => s.Overlapping, '/overlaps', {})}
        {figure(t.noncompliant, s => s.Noncompliant, '/resources', { 'compliance-status': 'noncompliant' })}
        {figure(t.unmanaged, s => s.Unmanaged, '/resources', { 'management-state': 'unmanaged' })}
        <Figure label={t.failing} value={f.number(summary.FailingAccountCount ?? 0)} href={query('/discovery', { failing: '1' })} detail={t.ofAccounts(f.number(summary.DiscoveredAccountCount ?? 0))} />
      </ColumnLayout>
    </Container>
  )
}

function PerScope({ scopes, of, path, filter }: { scopes: readonly ScopeSummary[]; of: (s: ScopeSummary) => number | undefined; path: string; filter: Record<string, string> }) {
  const f = useFormat()
  const name = useScopeName()
  const all = useScopes().data
  return (
    <>
      {scopes.filter(s => (of(s) ?? 0) > 0).map(s => {
        const scope = all?.find(o => o.IpamScopeId === s.IpamScopeId)
        return <div key={`${s.IpamScopeId} ${s.AddressFamily}`}><To href={query(path, { scope: s.IpamScopeId, ...filter })}>{f.number(of(s) ?? 0)}</To> {scope ? name(scope) : s.IpamScopeId}{s.AddressFamily === 'ipv6' ? ' (IPv6)' : ''}</div>
      })}
    </>
  )
}

function LeastSpace({ summary }: { summary: IpamSummary }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const forecast = useForecastText()
  const pools = (summary.Pools ?? []).slice(0, 8)
  return (
    <Container header={<Header variant="h2" actions={<To href="/pools">{t.all(f.number(summary.PoolCount ?? pools.length))}</To>}>{t.pools}</Header>}>
      <Plain
        label={t.pools}
        rows={pools}
        empty={summary.PoolCount === undefined ? t.notScanned : t.noPools}
        columns={[
          { header: c.pool, cell: p => <PoolLink id={p.IpamPoolId} name={p.Name} />, rowHeader: true },
          { header: t.allocated, cell: p => <Usage percent={takenOf(p)} label={p.Name ?? p.IpamPoolId ?? ''} /> },
          { header: t.free, cell: p => (p.FreeAddresses === undefined ? c.none : <To href={query('/map', { pool: p.IpamPoolId })}>{f.addresses(p.FreeAddresses)}</To>), end: true },
          { header: t.forecast, cell: p => (forecast(p.Forecast) === undefined ? c.none : <To href={`/pools/${p.IpamPoolId}?tab=utilisation`}>{forecast(p.Forecast)}</To>) },
          { header: c.locale, cell: p => <Region name={p.Locale} /> },
        ]}
      />
    </Container>
  )
}

function Changes({ summary }: { summary: IpamSummary }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const typeName = useTypeName()
  const changes = summary.Changes
  return (
    <Container header={<Header variant="h2" description={changes ? `${t.began(f.number(changes.Began ?? 0))} · ${t.ended(f.number(changes.Ended ?? 0))}` : undefined}>{t.changes}</Header>}>
      <SpaceBetween size="s">
        {changes?.Complete === false ? <StatusIndicator type="info">{t.incomplete}</StatusIndicator> : null}
        <Plain<SummaryChange>
          label={t.changes}
          rows={(changes?.Latest ?? []).slice(0, 10)}
          empty={t.noChanges}
          columns={[
            { header: c.time, cell: r => <Time at={r.Time} ago /> },
            { header: t.change, cell: r => (r.Change === 'ended' ? t.endedOne : t.beganOne) },
            { header: c.cidr, cell: r => <HistoryLink cidr={r.Cidr} scope={r.IpamScopeId} />, rowHeader: true },
            { header: c.resource, cell: r => <><To href={query('/search', { q: r.ResourceId })}>{r.ResourceName === undefined || r.ResourceName === '' ? r.ResourceId : r.ResourceName}</To> <Box variant="small">{typeName(r.ResourceType)}</Box></> },
            { header: c.account, cell: r => <Account id={r.ResourceOwnerId} /> },
            { header: c.region, cell: r => <Region name={r.ResourceRegion} /> },
            { header: c.compliance, cell: r => <Status status={r.ComplianceStatus} /> },
            { header: c.overlap, cell: r => <Status status={r.OverlapStatus} /> },
          ]}
        />
      </SpaceBetween>
    </Container>
  )
}

function Failing({ summary }: { summary: IpamSummary }) {
  const t = useText(texts)
  const c = useText(common)
  const rows = summary.FailingAccounts ?? []
  if (rows.length === 0) return null
  return (
    <Container header={<Header variant="h2" actions={<To href={query('/discovery', { failing: '1' })}>{t.toDiscovery}</To>}>{t.accounts}</Header>}>
      <Plain
        label={t.accounts}
        rows={rows.slice(0, 8)}
        columns={[
          { header: c.account, cell: r => <Account id={r.AccountId} />, rowHeader: true },
          { header: c.region, cell: r => <Region name={r.Region} /> },
          { header: t.failure, cell: r => <span className="break">{r.Message ?? r.FailureCode}</span> },
          { header: t.lastSuccess, cell: r => (r.LastSuccess === undefined ? t.never : <Time at={r.LastSuccess} ago />) },
        ]}
      />
    </Container>
  )
}

function Cost({ summary }: { summary: IpamSummary }) {
  const t = useText(texts)
  const f = useFormat()
  const cost = summary.Cost
  if (!cost) return null
  const saved = (cost.VpcIpamUsdPerMonth ?? 0) - (cost.CadastreUsdPerMonth ?? 0)
  return (
    <Container header={<Header variant="h2" description={cost.Basis}>{t.cost}</Header>}>
      <KeyValuePairs
        columns={3}
        items={[
          { label: t.vpcIpam, value: cost.VpcIpamUsdPerMonth === undefined ? t.unknown : f.money(cost.VpcIpamUsdPerMonth), info: cost.UsdPerActiveAddressHour === undefined ? undefined : <Box variant="small" color="text-body-secondary">{t.price(String(cost.UsdPerActiveAddressHour), f.number(cost.HoursPerMonth ?? 0))}</Box> },
          { label: t.cadastre, value: cost.CadastreUsdPerMonth === undefined ? t.unknown : <>{f.money(cost.CadastreUsdPerMonth)} {saved > 0 ? <Box variant="span" color="text-status-success">({t.saving(f.money(saved))})</Box> : null}</> },
          { label: t.active, value: summary.ActiveAddresses === undefined ? t.unknown : <><To href="/public">{f.number(summary.ActiveAddresses)}</To> <Time at={summary.ActiveAddressesAsOf} ago /></> },
        ]}
      />
    </Container>
  )
}
