import SpaceBetween from '@cloudscape-design/components/space-between'
import { useMemo } from 'react'
import { type Output } from '../api/call'
import { type PublicAddress } from '../data'
import { Account, HistoryLink, Id, Region, Text, Time } from '../parts/cells'
import { Failure } from '../parts/error'
import { List, listOf, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { DiscoverySelect, RegionSelect, useDiscovery } from '../parts/regions'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'

const texts = catalogue({
  en: {
    title: 'Public addresses', help: 'Public IPv4 addresses that discovery found in a Region, and what uses them.', address: 'Address', association: 'Association', associated: 'Associated', disassociated: 'Not associated', service: 'Service', groups: 'Security groups', interface: 'Network interface', instance: 'Instance', subnet: 'Subnet', group: 'Network border group', sampled: 'Seen', allocation: 'Elastic IP', pool: 'Public IPv4 pool', purpose: 'Interface description', empty: 'Discovery has found no public IPv4 address in this Region.',
    types: { 'service-managed-ip': 'Managed by a service', 'service-managed-byoip': 'Managed by a service, BYOIP', 'amazon-owned-eip': 'Elastic IP of Amazon', 'amazon-owned-contig': 'Contiguous Elastic IP of Amazon', byoip: 'BYOIP', 'ec2-public-ip': 'Public IP of EC2', 'anycast-ip-list-ip': 'Anycast' },
  },
  ja: {
    title: 'パブリックアドレス', help: 'リージョン内で検出されたパブリック IPv4 アドレスとその用途です。', address: 'アドレス', association: '関連付け', associated: '関連付け済み', disassociated: '関連付けなし', service: 'サービス', groups: 'セキュリティグループ', interface: 'ネットワークインターフェイス', instance: 'インスタンス', subnet: 'サブネット', group: 'ネットワークボーダーグループ', sampled: '検出時刻', allocation: 'Elastic IP', pool: 'パブリック IPv4 プール', purpose: 'インターフェイスの説明', empty: 'このリージョンにパブリック IPv4 アドレスは検出されていません。',
    types: { 'service-managed-ip': 'サービスマネージド', 'service-managed-byoip': 'サービスマネージド (BYOIP)', 'amazon-owned-eip': 'Amazon 所有の Elastic IP', 'amazon-owned-contig': 'Amazon 所有の連続した Elastic IP', byoip: 'BYOIP', 'ec2-public-ip': 'EC2 パブリック IP', 'anycast-ip-list-ip': 'エニーキャスト' },
  },
})

const addressesOf = (o: Output<'GetIpamDiscoveredPublicAddresses'>) => o.IpamDiscoveredPublicAddresses

export function Public() {
  const t = useText(texts)
  const c = useText(common)
  const place = useDiscovery()
  const id = place.discovery?.IpamResourceDiscoveryId
  const names = t.types as Record<string, string>
  const source = useMemo(
    () => listOf('GetIpamDiscoveredPublicAddresses', { IpamResourceDiscoveryId: id ?? '', AddressRegion: place.region ?? '' }, addressesOf, { enabled: id !== undefined && place.region !== undefined }),
    [id, place.region],
  )
  const columns: Column<PublicAddress>[] = [
    { id: 'address', header: t.address, text: r => r.Address, cell: r => <HistoryLink cidr={r.Address} />, cidr: true, filter: 'address', width: 150 },
    { id: 'type', header: c.kind, text: r => r.AddressType, cell: r => names[r.AddressType ?? ''] ?? r.AddressType ?? c.none, filter: 'address-type', options: Object.entries(names).map(([value, label]) => ({ value, label })), width: 210 },
    { id: 'association', header: t.association, text: r => r.AssociationStatus, cell: r => (r.AssociationStatus === 'associated' ? t.associated : r.AssociationStatus === 'disassociated' ? t.disassociated : c.none), filter: 'association-status', options: [{ value: 'associated', label: t.associated }, { value: 'disassociated', label: t.disassociated }], width: 150 },
    { id: 'service', header: t.service, text: r => r.Service, filter: 'service', width: 150 },
    { id: 'account', header: c.account, text: r => r.AddressOwnerId, cell: r => <Account id={r.AddressOwnerId} />, filter: 'address-owner-id', width: 150 },
    { id: 'vpc', header: c.vpc, text: r => r.VpcId, cell: r => <Id id={r.VpcId} />, filter: 'vpc-id', width: 220 },
    { id: 'instance', header: t.instance, text: r => r.InstanceId, cell: r => <Id id={r.InstanceId} />, filter: 'instance-id', width: 210 },
    { id: 'interface', header: t.interface, text: r => r.NetworkInterfaceId, cell: r => <Id id={r.NetworkInterfaceId} />, filter: 'network-interface-id', hidden: true, width: 220 },
    { id: 'groups', header: t.groups, text: r => (r.SecurityGroups ?? []).map(g => `${g.GroupName ?? ''} (${g.GroupId ?? ''})`).join(', '), cell: r => <Text text={(r.SecurityGroups ?? []).map(g => g.GroupName ?? g.GroupId ?? '').join(', ')} />, width: 190 },
    { id: 'subnet', header: t.subnet, text: r => r.SubnetId, cell: r => <Id id={r.SubnetId} />, filter: 'subnet-id', hidden: true, width: 220 },
    { id: 'allocation', header: t.allocation, text: r => r.AddressAllocationId, cell: r => <Id id={r.AddressAllocationId} />, hidden: true, width: 230 },
    { id: 'pool', header: t.pool, text: r => r.PublicIpv4PoolId, cell: r => <Id id={r.PublicIpv4PoolId} />, hidden: true, width: 230 },
    { id: 'purpose', header: t.purpose, text: r => r.NetworkInterfaceDescription, cell: r => <Text text={r.NetworkInterfaceDescription} />, hidden: true, width: 220 },
    { id: 'group', header: t.group, text: r => r.NetworkBorderGroup, cell: r => <Region name={r.NetworkBorderGroup} />, hidden: true, width: 170 },
    { id: 'sampled', header: t.sampled, text: r => r.SampleTime, cell: r => <Time at={r.SampleTime} ago />, width: 140 },
  ]
  return (
    <Page title={t.title} description={t.help}>
      {place.error ? <Failure error={place.error} /> : null}
      <List
        id="public"
        title={t.title}
        source={source}
        columns={columns}
        rowId={r => r.Address ?? ''}
        empty={t.empty}
        preface={
          <SpaceBetween direction="horizontal" size="m">
            <DiscoverySelect discoveries={place.discoveries} discovery={place.discovery} choose={place.chooseDiscovery} />
            <RegionSelect regions={place.regions} region={place.region} choose={place.chooseRegion} />
          </SpaceBetween>
        }
      />
    </Page>
  )
}
