import type { Mock } from './answer'
import { hex, hostile, owner, pools, scopes } from './data'

// fill adds thousands of allocations to the pools in Tokyo, with resources of each status: live
// ones without an allocation, overlapping and noncompliant ones.
export function fill(mock: Mock): Mock {
  const { data } = mock
  const accounts = Array.from({ length: 14 }, (_, i) => (i === 0 ? owner : hex(`account-${i}`, 12).replace(/[a-f]/g, '7')))
  data.cidrs[pools.tokyoDev] = [{ Cidr: '10.4.0.0/16', State: 'provisioned', NetmaskLength: 16 }, { Cidr: '10.7.0.0/16', State: 'provisioned', NetmaskLength: 16 }]
  data.allocations[pools.tokyo]?.push({ Cidr: '10.7.0.0/16', IpamPoolAllocationId: 'ipam-pool-alloc-fill', ResourceType: 'ipam-pool', ResourceId: pools.tokyoDev })
  for (let i = 0; i < 6000; i++) {
    if (i % 7 === 3 || (i > 2000 && i < 2400)) continue
    const at = i < 4096 ? `10.7.${i >> 4}.${(i & 15) << 4}/28` : `10.4.${(i - 4096) >> 3}.${((i - 4096) & 7) << 5}/27`
    const id = `vpc-${hex(`fill-${i}`, 17)}`
    const account = accounts[(i * i) % accounts.length]
    const live = { ResourceId: id, ResourceCidr: at, ResourceName: i % 50 === 0 ? hostile : `team-${i % 23}-${i}`, ResourceType: 'vpc' as const, ResourceOwnerId: account, ResourceRegion: 'ap-northeast-1', IpamScopeId: scopes.private, VpcId: id }
    if (i % 19 === 5) data.resources.push({ ...live, ManagementState: 'unmanaged', ComplianceStatus: 'unmanaged', OverlapStatus: i % 38 === 5 ? 'overlapping' : 'nonoverlapping' })
    else {
      data.allocations[pools.tokyoDev]?.push({ Cidr: at, IpamPoolAllocationId: `ipam-pool-alloc-${hex(`fill-${i}`, 32)}`, ResourceType: i % 5 === 0 ? 'custom' : 'vpc', ResourceId: i % 5 === 0 ? undefined : id, ResourceOwner: account, ResourceRegion: 'ap-northeast-1', Description: i % 5 === 0 ? `On-premises ${i}` : '', Tags: [] })
      if (i % 5 !== 0) data.resources.push({ ...live, IpamPoolId: pools.tokyoDev, ManagementState: 'managed', ComplianceStatus: i % 11 === 0 ? 'noncompliant' : 'compliant', OverlapStatus: i % 97 === 0 ? 'overlapping' : 'nonoverlapping' })
    }
  }
  return mock
}
