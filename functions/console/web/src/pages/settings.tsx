import Box from '@cloudscape-design/components/box'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useQuery } from '@tanstack/react-query'
import { IpamActs, ScopeActs } from '../acts/ipams'
import { call } from '../api/call'
import { idOf, useIpams, useScopes, type Ipam, type Scope } from '../data'
import { useFormat } from '../format'
import { Id, nameOf, Region, State, Text } from '../parts/cells'
import { Failure } from '../parts/error'
import { query, To } from '../parts/link'
import { List, type Column } from '../parts/list'
import { Loading } from '../parts/loading'
import { Page } from '../parts/page'
import { Plain } from '../parts/plain'
import { common } from '../parts/text'
import { useAccess, useMay, useSession } from '../session'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Settings', help: 'IPAMs with their operating Regions, scopes, quotas and grants, and what you may do.', ipams: 'IPAMs', noIpam: 'There is no IPAM yet.', regions: 'Operating Regions', home: 'Home Region', tier: 'Tier', gua: 'Private GUA', on: 'On', off: 'Off', discovery: 'Default resource discovery', scopes: 'Scopes', noScope: 'There is no scope yet.', pools: 'Pools', isDefault: 'Default', yes: 'Yes', no: 'No', public: 'Public', private: 'Private',
    access: 'Your access', class: 'Class', principal: 'Principal', organization: 'Organisation', ownerAccount: 'Account of the deployment', endpoint: 'API', operations: (n: string) => `${n} operations`,
    quotas: 'Quotas', quota: 'Quota', limit: 'Limit', grants: 'Grants', grantsHelp: 'Patterns of principals that have a class by the table. They add to the grants of the deployment.', administrators: 'Administer', allocators: 'Allocate', readers: 'Read', noGrants: 'None',
    classes: { read: 'Read', allocate: 'Allocate', administer: 'Administer' },
    names: { Ipams: 'IPAMs', ScopesPerIpam: 'Scopes of an IPAM', PoolsPerScope: 'Pools of a scope', PoolDepth: 'Levels of pools', CidrsPerPool: 'CIDRs of a pool', SharesPerPool: 'Shares of a pool', TagsPerObject: 'Tags of an object', ResourceDiscoveries: 'Resource discoveries', AssociationsPerIpam: 'Associations of an IPAM', PrefixListResolversPerIpam: 'Prefix list resolvers of an IPAM', RulesPerPrefixListResolver: 'Rules of a resolver', EntriesPerPrefixListResolverVersion: 'CIDRs of a version of a resolver' },
  },
  ja: {
    title: '設定', help: 'IPAM の運用リージョン、スコープ、クォータ、権限の付与、および自分の権限です。', ipams: 'IPAM', noIpam: 'IPAM はまだありません。', regions: '運用リージョン', home: 'ホームリージョン', tier: 'ティア', gua: 'プライベート GUA', on: 'オン', off: 'オフ', discovery: 'デフォルトのリソース検出', scopes: 'スコープ', noScope: 'スコープはまだありません。', pools: 'プール', isDefault: 'デフォルト', yes: 'はい', no: 'いいえ', public: 'パブリック', private: 'プライベート',
    access: '自分の権限', class: 'クラス', principal: 'プリンシパル', organization: '組織', ownerAccount: 'デプロイ先のアカウント', endpoint: 'API', operations: n => `${n} 件の操作`,
    quotas: 'クォータ', quota: 'クォータ名', limit: '上限', grants: '権限の付与', grantsHelp: 'テーブルによりクラスが付与されるプリンシパルのパターンです。デプロイ時の設定に追加されます。', administrators: '管理', allocators: '割り振り', readers: '読み取り', noGrants: 'なし',
    classes: { read: '読み取り', allocate: '割り振り', administer: '管理' },
    names: { Ipams: 'IPAM の数', ScopesPerIpam: '1 IPAM あたりのスコープの数', PoolsPerScope: '1 スコープあたりのプールの数', PoolDepth: 'プールの階層の深さ', CidrsPerPool: '1 プールあたりの CIDR の数', SharesPerPool: '1 プールあたりの共有の数', TagsPerObject: '1 オブジェクトあたりのタグの数', ResourceDiscoveries: 'リソース検出の数', AssociationsPerIpam: '1 IPAM あたりの関連付けの数', PrefixListResolversPerIpam: '1 IPAM あたりのプレフィックスリストリゾルバーの数', RulesPerPrefixListResolver: '1 リゾルバーあたりのルールの数', EntriesPerPrefixListResolverVersion: 'リゾルバーの 1 バージョンあたりの CIDR の数' },
  },
})

export function Settings() {
  const t = useText(texts)
  const ipams = useIpams()
  const may = useMay()
  return (
    <Page title={t.title} description={t.help}>
      <SpaceBetween size="l">
        {ipams.error ? <Failure error={ipams.error} retry={() => void ipams.refetch()} /> : null}
        {ipams.isPending ? <Loading /> : null}
        {ipams.data?.length === 0 ? <Box color="text-body-secondary">{t.noIpam}</Box> : null}
        {ipams.data?.map(i => <IpamDetails key={i.IpamId} ipam={i} />)}
        <Scopes />
        <AccessDetails />
        <Quotas />
        {may('GetAccessGrants') ? <Grants /> : null}
      </SpaceBetween>
    </Page>
  )
}

function IpamDetails({ ipam }: { ipam: Ipam }) {
  const t = useText(texts)
  const c = useText(common)
  return (
    <Container header={<Header variant="h2" description={<Text text={ipam.Description} />} actions={<IpamActs ipam={ipam} />}>{nameOf(ipam.Tags) ?? ipam.IpamId ?? ''}</Header>}>
      <KeyValuePairs
        columns={4}
        items={[
          { label: c.id, value: <Id id={ipam.IpamId} /> },
          { label: c.state, value: <State state={ipam.State} message={ipam.StateMessage} /> },
          { label: t.home, value: <Region name={ipam.IpamRegion} /> },
          { label: t.tier, value: ipam.Tier ?? c.none },
          { label: t.regions, value: <>{(ipam.OperatingRegions ?? []).map(r => <div key={r.RegionName}>{r.RegionName}</div>)}</> },
          { label: t.gua, value: ipam.EnablePrivateGua === true ? t.on : t.off },
          { label: t.discovery, value: ipam.DefaultResourceDiscoveryId === undefined ? c.none : <To href={query('/discovery', { discovery: ipam.DefaultResourceDiscoveryId })}>{ipam.DefaultResourceDiscoveryId}</To> },
          { label: c.arn, value: <Id id={ipam.IpamArn} /> },
        ]}
      />
    </Container>
  )
}

function Scopes() {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const { data, error, isPending, refetch } = useScopes()
  const columns: Column<Scope>[] = [
    { id: 'id', header: c.id, text: r => r.IpamScopeId, cell: r => <To href={query('/pools', { scope: r.IpamScopeId })}>{r.IpamScopeId}</To>, width: 280 },
    { id: 'type', header: c.kind, text: r => (r.IpamScopeType === 'public' ? t.public : t.private), width: 130 },
    { id: 'default', header: t.isDefault, text: r => (r.IsDefault === true ? t.yes : t.no), width: 130 },
    { id: 'pools', header: t.pools, text: r => r.PoolCount?.toString(), number: r => r.PoolCount, cell: r => <To href={query('/pools', { scope: r.IpamScopeId, view: 'list' })}>{f.number(r.PoolCount ?? 0)}</To>, width: 100 },
    { id: 'description', header: c.description, text: r => r.Description, cell: r => <Text text={r.Description} />, width: 260 },
    { id: 'state', header: c.state, text: r => r.State, cell: r => <State state={r.State} />, width: 180 },
    { id: 'ipam', header: 'IPAM', text: r => idOf(r.IpamArn), hidden: true, width: 230 },
  ]
  return <List local id="scopes" title={t.scopes} source={{ rows: data ?? [], loading: isPending, error, refresh: () => void refetch() }} columns={columns} rowId={r => r.IpamScopeId ?? ''} empty={t.noScope} selection="single" actions={selected => <ScopeActs selected={selected} />} />
}

function AccessDetails() {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const session = useSession()
  const access = useAccess()
  return (
    <Container header={<Header variant="h2">{t.access}</Header>}>
      <KeyValuePairs
        columns={3}
        items={[
          { label: t.class, value: <>{t.classes[session.Class] ?? session.Class}{access?.Operations ? ` · ${t.operations(f.number(access.Operations.length))}` : ''}</> },
          { label: t.principal, value: <Id id={access?.PrincipalArn ?? session.Name} /> },
          { label: c.account, value: <Id id={session.Account} /> },
          { label: t.organization, value: <Id id={access?.OrganizationId} /> },
          { label: t.ownerAccount, value: <Id id={access?.OwnerAccountId} /> },
          { label: t.endpoint, value: <Id id={session.Endpoint} /> },
        ]}
      />
    </Container>
  )
}

function Quotas() {
  const t = useText(texts)
  const f = useFormat()
  const quotas = useAccess()?.Quotas
  if (!quotas) return null
  const names = t.names as Record<string, string>
  return (
    <Container header={<Header variant="h2">{t.quotas}</Header>}>
      <Plain label={t.quotas} rows={Object.entries(quotas)} columns={[{ header: t.quota, cell: ([name]) => names[name] ?? name, rowHeader: true }, { header: t.limit, cell: ([, limit]) => f.number(limit), end: true }]} />
    </Container>
  )
}

function Grants() {
  const t = useText(texts)
  const { data, error, refetch } = useQuery({ queryKey: ['GetAccessGrants'], queryFn: async ({ signal }) => (await call('GetAccessGrants', {}, { signal })).AccessGrants })
  const list = (patterns: readonly string[] | undefined) => ((patterns?.length ?? 0) === 0 ? t.noGrants : <>{patterns?.map(p => <Box key={p} variant="code" display="block">{p}</Box>)}</>)
  if (error) return <Failure error={error} retry={() => void refetch()} />
  return (
    <Container header={<Header variant="h2" description={t.grantsHelp}>{t.grants}</Header>}>
      <KeyValuePairs columns={3} items={[{ label: t.administrators, value: list(data?.Administrators) }, { label: t.allocators, value: list(data?.Allocators) }, { label: t.readers, value: list(data?.Readers) }]} />
    </Container>
  )
}
