// The deck's network: three levels of pools in Tokyo and Osaka, VPCs with and without rules
// kept, an overlapping pair, an account that discovery cannot read.
import type { Allocation, Discovery, DiscoveredAccount, HistoryRecord, Ipam, Pool, PoolCidr, PublicAddress, Resource, Scope, Share } from '../src/data'
import type { Forecast, IpamSummary, PoolSummary, UtilizationSample } from '../src/api/shapes'
import type { Options } from './answer'

export interface Data {
  now: number
  ipams: Ipam[]
  scopes: Scope[]
  pools: Pool[]
  cidrs: Record<string, PoolCidr[]>
  allocations: Record<string, Allocation[]>
  resources: Resource[]
  shares: Share[]
  history: HistoryRecord[]
  addresses: PublicAddress[]
  accounts: DiscoveredAccount[]
  discoveries: Discovery[]
  grants: { Administrators: string[]; Allocators: string[]; Readers: string[] }
  // tokens are the client tokens of the changes, with their answers.
  tokens: Map<string, { parameters: string; answer: unknown }>
}

export const owner = '111122223333'
export const ipamId = 'ipam-0008686caac19cbc4'
export const scopes = { private: 'ipam-scope-088307f7ce790b230', public: 'ipam-scope-0f2d1a6b5c4e3d2f1', partner: 'ipam-scope-0a7b6c5d4e3f2a1b0' }
export const pools = {
  top: 'ipam-pool-026175a7cf6d15e22', osaka: 'ipam-pool-0255546d88ccef311', osakaDev: 'ipam-pool-0da4d02d36d94376b', osakaProd: 'ipam-pool-0fd447f311755db7d',
  tokyo: 'ipam-pool-078e9029d344ad8a1', tokyoProd: 'ipam-pool-01dc0fefbf1cd62ed', tokyoDev: 'ipam-pool-0c1f8279000786798', v6: 'ipam-pool-0b6a5948372615f4e',
  byoip: 'ipam-pool-0c9d8e7f6a5b4c3d2',
}

// hostile is the text that a page must show as text.
export const hostile = '<img src=x onerror="window.hostile=1"><script>window.hostile=1</script>\'"&{{7*7}}'

const accounts = [owner, '222233334444', '333344445555', '444455556666']

export function iso(at: number): string {
  return new Date(at).toISOString()
}

export function data(options: Options): Data {
  const now = Math.floor(Date.now() / 60_000) * 60_000
  const hour = 3_600_000
  const day = 24 * hour
  const tag = (Name: string, more: Record<string, string> = {}) => Object.entries({ Name, ...more }).map(([Key, Value]) => ({ Key, Value }))
  if (options.empty === true) {
    return { now, tokens: new Map(), ipams: [], scopes: [], pools: [], cidrs: {}, allocations: {}, resources: [], shares: [], history: [], addresses: [], accounts: [], discoveries: [], grants: { Administrators: [], Allocators: [], Readers: [] } }
  }

  const ipamArn = `arn:aws:ec2::${owner}:ipam/${ipamId}`
  const scope = (id: string, type: 'private' | 'public', isDefault: boolean, PoolCount: number, Description: string): Scope => ({
    IpamScopeId: id, IpamScopeArn: `arn:aws:ec2::${owner}:ipam-scope/${id}`, IpamArn: ipamArn, IpamRegion: 'ap-northeast-1', IpamScopeType: type, IsDefault: isDefault,
    OwnerId: owner, PoolCount, State: 'create-complete', Description, Tags: [],
  })
  const pool = (id: string, name: string, more: Partial<Pool> & { scope?: string } = {}): Pool => {
    const { scope: s = scopes.private, ...rest } = more
    return {
      IpamPoolId: id, IpamPoolArn: `arn:aws:ec2::${owner}:ipam-pool/${id}`, IpamArn: ipamArn, IpamScopeArn: `arn:aws:ec2::${owner}:ipam-scope/${s}`, IpamScopeType: s === scopes.public ? 'public' : 'private',
      IpamRegion: 'ap-northeast-1', OwnerId: owner, AddressFamily: 'ipv4', State: 'create-complete', PoolDepth: 1, AutoImport: false, Locale: 'None', Tags: tag(name), ...rest,
    }
  }
  const rules = { AllocationMinNetmaskLength: 20, AllocationDefaultNetmaskLength: 24, AllocationMaxNetmaskLength: 28, AllocationResourceTags: [{ Key: 'environment', Value: 'prod' }], AutoImport: true }
  const ps: Pool[] = [
    pool(pools.top, 'top-level-global-pool', { Description: 'Top-level pool', State: 'modify-complete' }),
    pool(pools.osaka, 'osaka-pool', { SourceIpamPoolId: pools.top, PoolDepth: 2, Locale: 'ap-northeast-3' }),
    pool(pools.osakaDev, 'osaka-dev', { SourceIpamPoolId: pools.osaka, PoolDepth: 3, Locale: 'ap-northeast-3', ...rules, AllocationResourceTags: [{ Key: 'environment', Value: 'dev' }] }),
    pool(pools.osakaProd, 'osaka-prod', { SourceIpamPoolId: pools.osaka, PoolDepth: 3, Locale: 'ap-northeast-3', Description: 'Prod pool in Osaka', State: 'modify-complete', ...rules }),
    pool(pools.tokyo, 'tokyo-pool', { SourceIpamPoolId: pools.top, PoolDepth: 2, Locale: 'ap-northeast-1' }),
    pool(pools.tokyoProd, 'tokyo-prod', { SourceIpamPoolId: pools.tokyo, PoolDepth: 3, Locale: 'ap-northeast-1', ...rules }),
    pool(pools.tokyoDev, 'tokyo-dev', { SourceIpamPoolId: pools.tokyo, PoolDepth: 3, Locale: 'ap-northeast-1' }),
    pool(pools.v6, 'private-ipv6', { AddressFamily: 'ipv6', Description: 'Unique local addresses' }),
    pool(pools.byoip, 'byoip-tokyo', { scope: scopes.public, Locale: 'ap-northeast-1', PublicIpSource: 'byoip', AwsService: 'ec2', PubliclyAdvertisable: true }),
  ]
  const cidr = (Cidr: string, State: PoolCidr['State'] = 'provisioned', more: Partial<PoolCidr> = {}): PoolCidr => ({
    Cidr, State, NetmaskLength: Number(Cidr.split('/')[1]), IpamPoolCidrId: `ipam-pool-cidr-${hex(Cidr, 32)}`, ...more,
  })
  const cidrs: Data['cidrs'] = {
    [pools.top]: [cidr('10.0.0.0/12')], [pools.osaka]: [cidr('10.0.0.0/14')], [pools.osakaDev]: [cidr('10.0.0.0/16')], [pools.osakaProd]: [cidr('10.1.0.0/16')],
    [pools.tokyo]: [cidr('10.4.0.0/14')], [pools.tokyoProd]: [cidr('10.5.0.0/16'), cidr('10.6.0.0/16', 'failed-provision', { FailureReason: { Code: 'cidr-not-available', Message: 'The CIDR 10.6.0.0/16 is not free in the pool ipam-pool-078e9029d344ad8a1: 10.6.0.0/24 has a live resource.' } })],
    [pools.tokyoDev]: [cidr('10.4.0.0/16'), cidr('10.7.0.0/20', 'pending-provision')], [pools.v6]: [cidr('fd00:8:2c00::/40')], [pools.byoip]: [cidr('203.0.113.0/24')],
  }
  const allocation = (Cidr: string, ResourceType: NonNullable<Allocation['ResourceType']>, ResourceId: string | undefined, Region: string | undefined, more: Partial<Allocation> = {}): Allocation => ({
    Cidr, IpamPoolAllocationId: `ipam-pool-alloc-${hex(Cidr + (ResourceId ?? ''), 32)}`, ResourceType, ResourceId, ResourceOwner: owner, ResourceRegion: Region, Description: '', Tags: [], ...more,
  })
  const allocations: Data['allocations'] = {
    [pools.top]: [allocation('10.0.0.0/14', 'ipam-pool', pools.osaka, 'ap-northeast-1'), allocation('10.4.0.0/14', 'ipam-pool', pools.tokyo, 'ap-northeast-1'), allocation('10.8.0.0/22', 'vpc', 'vpc-0e28558ae1b2c3d4e', 'ap-northeast-3')],
    [pools.osaka]: [allocation('10.0.0.0/16', 'ipam-pool', pools.osakaDev, 'ap-northeast-1'), allocation('10.1.0.0/16', 'ipam-pool', pools.osakaProd, 'ap-northeast-1')],
    [pools.osakaDev]: [allocation('10.0.0.0/16', 'vpc', 'vpc-0a266d35a4b5c6d7e', 'ap-northeast-3', { ResourceOwner: accounts[1] })],
    [pools.osakaProd]: [
      allocation('10.1.0.0/24', 'vpc', 'vpc-0020880e7ea8f9b0c', 'ap-northeast-3'), allocation('10.1.1.0/24', 'vpc', 'vpc-05f69d1fd33a4b5c6', 'ap-northeast-3', { ResourceOwner: accounts[2] }),
      allocation('10.1.16.0/22', 'custom', undefined, undefined, { Description: 'On-premises data centre', Tags: tag('dc-osaka', { team: 'network' }) }), allocation('10.1.32.0/28', 'custom', undefined, undefined, { Description: hostile }),
    ],
    [pools.tokyo]: [allocation('10.4.0.0/16', 'ipam-pool', pools.tokyoDev, 'ap-northeast-1'), allocation('10.5.0.0/16', 'ipam-pool', pools.tokyoProd, 'ap-northeast-1')],
    [pools.tokyoProd]: Array.from({ length: 60 }, (_, i) => allocation(`10.5.${i * 4}.0/22`, 'vpc', `vpc-${hex(`tokyo-${i}`, 17)}`, 'ap-northeast-1', { ResourceOwner: accounts[i % 4] })),
    [pools.tokyoDev]: [], [pools.v6]: [allocation('fd00:8:2c00::/56', 'vpc', 'vpc-0020880e7ea8f9b0c', 'ap-northeast-3')], [pools.byoip]: [allocation('203.0.113.0/28', 'ec2-public-ipv4-pool', 'ipv4pool-ec2-0123456789abcdef0', 'ap-northeast-1')],
  }
  const resource = (ResourceId: string, ResourceName: string, ResourceCidr: string, ResourceRegion: string, ComplianceStatus: Resource['ComplianceStatus'], OverlapStatus: Resource['OverlapStatus'], IpUsage: number, pool?: string, more: Partial<Resource> = {}): Resource => ({
    ResourceId, ResourceName, ResourceCidr, ResourceRegion, ComplianceStatus, OverlapStatus, IpUsage, IpamPoolId: pool, IpamId: ipamId, IpamScopeId: scopes.private, ResourceOwnerId: owner, ResourceType: 'vpc',
    VpcId: ResourceId.startsWith('vpc-') ? ResourceId : undefined, ManagementState: pool === undefined ? 'unmanaged' : 'managed', ResourceTags: tag(ResourceName), ...more,
  })
  const resources: Resource[] = [
    resource('vpc-0a266d35a4b5c6d7e', 'SandboxVPC01', '10.0.0.0/16', 'ap-northeast-3', 'noncompliant', 'overlapping', 0.01, pools.osakaDev, { ResourceOwnerId: accounts[1] }),
    resource('vpc-09ada82fa4b5c6d7e', 'dx-lab-test-vpc', '10.0.0.0/20', 'ap-northeast-3', 'unmanaged', 'overlapping', 0.06, undefined, { ResourceOwnerId: accounts[2] }),
    resource('vpc-0020880e7ea8f9b0c', 'ipam-osaka-prod-vpc', '10.1.0.0/24', 'ap-northeast-3', 'compliant', 'nonoverlapping', 0.13, pools.osakaProd),
    resource('subnet-0b1c2d3e4f5a6b7c8', 'ipam-osaka-prod-a', '10.1.0.0/26', 'ap-northeast-3', undefined, undefined, 0.4, undefined, { ResourceType: 'subnet', VpcId: 'vpc-0020880e7ea8f9b0c', ManagementState: undefined, AvailabilityZoneId: 'apne3-az1' }),
    resource('vpc-05f69d1fd33a4b5c6', hostile, '10.1.1.0/24', 'ap-northeast-3', 'noncompliant', 'nonoverlapping', 0, pools.osakaProd, { ResourceOwnerId: accounts[2] }),
    resource('vpc-0e28558ae1b2c3d4e', 'ipam-osaka-vpc', '10.8.0.0/22', 'ap-northeast-3', 'noncompliant', 'nonoverlapping', 0.25, pools.top),
    resource('vpc-02b97bc97a8b9c0d1', 'vpc-dxtraining', '172.16.0.0/24', 'ap-northeast-1', 'unmanaged', 'nonoverlapping', 0),
    resource('vpc-dc3fcbba', 'Default VPC', '172.31.0.0/16', 'ap-northeast-1', 'unmanaged', 'overlapping', 0.19),
    resource('vpc-e64c318f', '', '172.31.0.0/16', 'us-east-1', 'unmanaged', 'overlapping', 0.19, undefined, { ResourceOwnerId: accounts[3] }),
    resource('vpc-0b71f014c1d2e3f4a', 'ipam-osaka-ignored', '10.1.0.0/24', 'ap-northeast-3', 'ignored', 'ignored', 0, undefined, { ManagementState: 'ignored' }),
    ...Array.from({ length: 60 }, (_, i) => resource(`vpc-${hex(`tokyo-${i}`, 17)}`, `tokyo-prod-${i}`, `10.5.${i * 4}.0/22`, 'ap-northeast-1', 'compliant', 'nonoverlapping', ((i * 37) % 100) / 100, pools.tokyoProd, { ResourceOwnerId: accounts[i % 4] })),
    resource('eipalloc-0aa11bb22cc33dd44', 'nat-tokyo', '203.0.113.5/32', 'ap-northeast-1', 'compliant', 'nonoverlapping', 1, pools.byoip, { ResourceType: 'eip', IpamScopeId: scopes.public }),
  ]
  const record = (r: Resource, from: number, to?: number, more: Partial<HistoryRecord> = {}): HistoryRecord => ({
    ResourceId: r.ResourceId, ResourceName: r.ResourceName, ResourceCidr: r.ResourceCidr, ResourceOwnerId: r.ResourceOwnerId, ResourceRegion: r.ResourceRegion,
    ResourceType: r.ResourceType as HistoryRecord['ResourceType'], VpcId: r.VpcId, ResourceComplianceStatus: r.ComplianceStatus, ResourceOverlapStatus: r.OverlapStatus,
    SampledStartTime: iso(from), ...(to === undefined ? {} : { SampledEndTime: iso(to) }), ...more,
  })
  const [sandbox, , prod] = resources as [Resource, Resource, Resource]
  const history: HistoryRecord[] = [
    record(prod, now - 9 * day, now - 3 * day, { ResourceComplianceStatus: 'noncompliant' }), record(prod, now - 3 * day), record(sandbox, now - 20 * day, now - 5 * day, { ResourceOverlapStatus: 'nonoverlapping' }), record(sandbox, now - 5 * day),
    record({ ...prod, ResourceId: 'vpc-0deadbeef00112233', ResourceName: 'old-prod-vpc' }, now - 40 * day, now - 12 * day),
  ]
  const address = (i: number, type: NonNullable<PublicAddress['AddressType']>, service: PublicAddress['Service'], more: Partial<PublicAddress> = {}): PublicAddress => ({
    Address: `203.0.113.${i}`, AddressOwnerId: accounts[i % 4], AddressRegion: 'ap-northeast-1', AddressType: type, AssociationStatus: 'associated', Service: service, NetworkBorderGroup: 'ap-northeast-1',
    NetworkInterfaceId: `eni-${hex(`eni-${i}`, 17)}`, VpcId: `vpc-${hex(`tokyo-${i}`, 17)}`, SubnetId: `subnet-${hex(`s-${i}`, 17)}`, IpamResourceDiscoveryId: 'ipam-res-disco-0f1e2d3c4b5a69788', SampleTime: iso(now - 5 * 60_000),
    SecurityGroups: [{ GroupId: `sg-${hex(`sg-${i}`, 17)}`, GroupName: i === 3 ? hostile : 'web' }], Tags: { EipTags: [] }, ...more,
  })
  const addresses = [
    address(3, 'ec2-public-ip', 'other', { InstanceId: 'i-0123456789abcdef0' }), address(4, 'service-managed-ip', 'nat-gateway'), address(5, 'byoip', 'nat-gateway', { AddressAllocationId: 'eipalloc-0aa11bb22cc33dd44' }),
    address(6, 'amazon-owned-eip', 'load-balancer'), address(7, 'amazon-owned-eip', undefined, { AssociationStatus: 'disassociated', NetworkInterfaceId: undefined, VpcId: undefined, SubnetId: undefined, SecurityGroups: [] }),
  ]
  const regions = ['ap-northeast-1', 'ap-northeast-3', 'us-east-1']
  const found: DiscoveredAccount[] = accounts.flatMap((AccountId, a) => regions.map((DiscoveryRegion, r): DiscoveredAccount => {
    if (a === 3 && r === 2) return { AccountId, DiscoveryRegion, LastAttemptedDiscoveryTime: iso(now - 4 * 60_000), LastSuccessfulDiscoveryTime: iso(now - 3 * day), FailureReason: { Code: 'assume-role-failure', Message: `Cannot assume arn:aws:iam::${AccountId}:role/CadastreReader: AccessDenied.` } }
    if (a === 2 && r === 1) return { AccountId, DiscoveryRegion, LastAttemptedDiscoveryTime: iso(now - 40 * 60_000), FailureReason: { Code: 'unauthorized-failure', Message: 'The role may not call ec2:DescribeSubnets.' } }
    return { AccountId, DiscoveryRegion, LastAttemptedDiscoveryTime: iso(now - (4 + a) * 60_000), LastSuccessfulDiscoveryTime: iso(now - (4 + a) * 60_000) }
  }))
  return {
    now, tokens: new Map(), pools: ps, cidrs, allocations, resources, history, addresses, accounts: found,
    ipams: [{
      IpamId: ipamId, IpamArn: ipamArn, IpamRegion: 'ap-northeast-1', OwnerId: owner, Description: 'Addresses of the organisation', State: 'create-complete', Tier: 'advanced', MeteredAccount: 'ipam-owner', EnablePrivateGua: false,
      OperatingRegions: regions.map(RegionName => ({ RegionName })), PrivateDefaultScopeId: scopes.private, PublicDefaultScopeId: scopes.public, ScopeCount: 3, ResourceDiscoveryAssociationCount: 1,
      DefaultResourceDiscoveryId: 'ipam-res-disco-0f1e2d3c4b5a69788', DefaultResourceDiscoveryAssociationId: 'ipam-res-disco-assoc-0a1b2c3d4e5f60718', Tags: tag('corporate'),
    }],
    scopes: [scope(scopes.private, 'private', true, 8, ''), scope(scopes.public, 'public', true, 1, ''), scope(scopes.partner, 'private', false, 0, 'Partner networks')],
    shares: [{ IpamPoolId: pools.osakaProd, Permission: 'allocate', Principal: 'arn:aws:organizations::111122223333:ou/o-a1b2c3d4e5/ou-ab12-production' }, { IpamPoolId: pools.tokyoProd, Permission: 'allocate', Principal: accounts[1] }],
    discoveries: [{
      IpamResourceDiscoveryId: 'ipam-res-disco-0f1e2d3c4b5a69788', IpamResourceDiscoveryArn: `arn:aws:ec2::${owner}:ipam-resource-discovery/ipam-res-disco-0f1e2d3c4b5a69788`, IpamResourceDiscoveryRegion: 'ap-northeast-1', IsDefault: true,
      OwnerId: owner, OperatingRegions: regions.map(RegionName => ({ RegionName })), OrganizationalUnitExclusions: [], State: 'create-complete', Description: '', Tags: [],
    }],
    grants: { Administrators: ['arn:aws:iam::111122223333:role/NetworkAdmin'], Allocators: ['arn:aws:iam::*:role/Platform*'], Readers: ['*'] },
  }
}

export function samples(now: number, from: number, to: number, days: number, step = 24): UtilizationSample[] {
  const count = Math.floor((days * 24) / step)
  return Array.from({ length: count + 1 }, (_, i) => {
    const share = i / Math.max(count, 1)
    const percent = from + (to - from) * share + Math.sin(i * 1.7) * 0.6
    return { Time: iso(now - (count - i) * step * 3_600_000), PercentAllocated: percent * 0.4, PercentAssigned: percent * 0.6, PercentAvailable: 100 - percent, TotalAddresses: 65536, FreeAddresses: Math.round(655.36 * (100 - percent)) }
  })
}

export function summary(d: Data): IpamSummary[] {
  const day = 86_400_000
  return d.ipams.map((ipam): IpamSummary => {
    const of = (id: string) => d.resources.filter(r => r.IpamScopeId === id)
    return {
      IpamId: ipam.IpamId,
      Scopes: d.scopes.map(s => {
        const rows = of(s.IpamScopeId ?? '')
        const n = (f: (r: Resource) => boolean) => rows.filter(f).length
        return {
          IpamScopeId: s.IpamScopeId, AddressFamily: 'ipv4', AsOf: iso(d.now - 7 * 60_000), Resources: rows.length, Compliant: n(r => r.ComplianceStatus === 'compliant'), Noncompliant: n(r => r.ComplianceStatus === 'noncompliant'),
          Managed: n(r => r.ManagementState === 'managed'), Unmanaged: n(r => r.ManagementState === 'unmanaged'), Ignored: n(r => r.ManagementState === 'ignored'), Overlapping: n(r => r.OverlapStatus === 'overlapping'), Pools: d.pools.filter(p => p.IpamScopeArn?.endsWith(s.IpamScopeId ?? '') === true).length,
        }
      }),
      Pools: [
        poolSummary(d, pools.osakaDev, 100, { Outcome: 'exhausted' }), poolSummary(d, pools.tokyoProd, 93.8, { Outcome: 'exhaustion', Earliest: iso(d.now + 19 * day), Expected: iso(d.now + 26 * day), Latest: iso(d.now + 41 * day), PercentPerDay: 0.24, BasedOnDays: 30 }),
        poolSummary(d, pools.top, 50.4, { Outcome: 'not-growing', BasedOnDays: 30 }), poolSummary(d, pools.osaka, 50, { Outcome: 'not-growing', BasedOnDays: 30 }), poolSummary(d, pools.tokyo, 50, { Outcome: 'not-growing', BasedOnDays: 30 }),
        poolSummary(d, pools.osakaProd, 2.4, { Outcome: 'exhaustion', Earliest: iso(d.now + 800 * day), Expected: iso(d.now + 1100 * day), PercentPerDay: 0.09, BasedOnDays: 30 }), poolSummary(d, pools.byoip, 6.3, { Outcome: 'not-growing' }),
        poolSummary(d, pools.v6, 0.1, { Outcome: 'not-enough-data', BasedOnDays: 2 }), poolSummary(d, pools.tokyoDev, 0, { Outcome: 'not-enough-data', BasedOnDays: 2 }),
      ],
      PoolCount: d.pools.length,
      FailingAccounts: d.accounts.filter(a => a.FailureReason).map(a => ({ AccountId: a.AccountId, Region: a.DiscoveryRegion, FailureCode: a.FailureReason?.Code, Message: a.FailureReason?.Message, LastAttempt: a.LastAttemptedDiscoveryTime, LastSuccess: a.LastSuccessfulDiscoveryTime, Failures: 3 })),
      FailingAccountCount: d.accounts.filter(a => a.FailureReason).length,
      DiscoveredAccountCount: d.accounts.length,
      ActiveAddresses: 5000, ActiveAddressesAsOf: iso(d.now - 7 * 60_000),
      Changes: {
        From: iso(d.now - day), To: iso(d.now), Began: 3, Ended: 1, Complete: true,
        Latest: d.resources.slice(0, 4).map((r, i) => ({ Time: iso(d.now - (i + 1) * 3_500_000), Change: i === 3 ? 'ended' : 'began', ResourceType: r.ResourceType, ResourceId: r.ResourceId, Cidr: r.ResourceCidr, ResourceOwnerId: r.ResourceOwnerId, ResourceRegion: r.ResourceRegion, ResourceName: r.ResourceName, IpamScopeId: r.IpamScopeId, ComplianceStatus: r.ComplianceStatus, OverlapStatus: r.OverlapStatus })),
      },
      Cost: { ActiveAddresses: 5000, UsdPerActiveAddressHour: 0.00027, HoursPerMonth: 720, VpcIpamUsdPerMonth: 972, CadastreUsdPerMonth: 48.21, Basis: 'Amazon VPC IPAM: 5,000 active addresses × 720 hours × 0.00027 USD, the list price of the Advanced Tier. Cadastre: an estimate of the work that goes on when nobody calls, for 30 days at list prices of us-east-1 without free tiers. Requests, changes of the network, and logs come on top.' },
    }
  })
}

function poolSummary(d: Data, id: string, taken: number, Forecast: Forecast): PoolSummary {
  const p = d.pools.find(p => p.IpamPoolId === id)
  return {
    IpamPoolId: id, IpamScopeId: p?.IpamScopeArn?.split('/')[1], AddressFamily: p?.AddressFamily, Locale: p?.Locale, Description: p?.Description, Name: p?.Tags?.[0]?.Value, AsOf: iso(d.now - 7 * 60_000),
    PercentAllocated: taken * 0.3, PercentAssigned: taken * 0.7, PercentAvailable: 100 - taken, FreeAddresses: Math.round(655.36 * (100 - taken)), Forecast,
  }
}

// hex returns n hexadecimal digits that depend on the text alone.
export function hex(text: string, n: number): string {
  let h = 2166136261
  let out = ''
  for (let i = 0; out.length < n; i++) {
    for (const c of `${text}#${i}`) h = Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0
    out += h.toString(16).padStart(8, '0')
  }
  return out.slice(0, n)
}
