import { contains, formatCidr, gaps, last, overlaps, parseAddress, parseCidr, size } from '../src/cidr'
import type { Output } from '../src/api/call'
import { Refusal, type Handlers } from './answer'
import { samples, summary, type Data } from './data'

type SpaceBlock = NonNullable<NonNullable<Output<'GetIpamSpaceMap'>['IpamSpaceMap']>['Blocks']>[number]
type SearchMatch = NonNullable<Output<'SearchIpam'>['IpamSearchMatches']>[number]

function poolOf(d: Data, id: string | undefined) {
  const pool = d.pools.find(p => p.IpamPoolId === id)
  if (!pool) throw new Refusal('InvalidIpamPoolId.NotFound', `The pool '${id ?? ''}' does not exist.`)
  return pool
}

function scopeOf(d: Data, id: string | undefined) {
  const scope = d.scopes.find(s => s.IpamScopeId === id)
  if (!scope) throw new Refusal('InvalidIpamScopeId.NotFound', `The scope '${id ?? ''}' does not exist.`)
  return scope
}

const percent: Record<string, number> = { dev: 100 }

export const handlers: Handlers = {
  GetCallerAccess: () => ({ CallerAccess: undefined }), // server.ts replaces it: it depends on the class
  DescribeIpams: (_, d) => ({ Ipams: d.ipams }),
  DescribeIpamScopes: (i, d) => ({ IpamScopes: d.scopes.filter(s => i.IpamScopeIds?.includes(s.IpamScopeId ?? '') ?? true) }),
  DescribeIpamPools: (i, d) => {
    i.IpamPoolIds?.forEach(id => poolOf(d, id))
    return { IpamPools: d.pools.filter(p => i.IpamPoolIds?.includes(p.IpamPoolId ?? '') ?? true) }
  },
  GetIpamPoolCidrs: (i, d) => ({ IpamPoolCidrs: d.cidrs[poolOf(d, i.IpamPoolId).IpamPoolId ?? ''] ?? [] }),
  GetIpamPoolAllocations: (i, d) => ({ IpamPoolAllocations: (d.allocations[poolOf(d, i.IpamPoolId).IpamPoolId ?? ''] ?? []).filter(a => i.IpamPoolAllocationId === undefined || a.IpamPoolAllocationId === i.IpamPoolAllocationId) }),
  DescribeIpamPoolAllocations: (i, d) => ({ IpamPoolAllocations: Object.values(d.allocations).flat().filter(a => i.IpamPoolAllocationIds?.includes(a.IpamPoolAllocationId ?? '') ?? true) }),
  DescribeIpamPoolShares: (i, d) => ({ IpamPoolShares: d.shares.filter(s => i.IpamPoolIds?.includes(s.IpamPoolId ?? '') ?? true) }),
  GetIpamResourceCidrs: (i, d) => ({ IpamResourceCidrs: d.resources.filter(r => r.IpamScopeId === scopeOf(d, i.IpamScopeId).IpamScopeId && (i.IpamPoolId === undefined || r.IpamPoolId === i.IpamPoolId) && (i.ResourceId === undefined || r.ResourceId === i.ResourceId)) }),
  GetIpamAddressHistory: (i, d) => {
    scopeOf(d, i.IpamScopeId)
    const asked = parseCidr(i.Cidr)
    if (!asked) throw new Refusal('InvalidParameterValue', `The CIDR '${i.Cidr}' is invalid.`)
    return { HistoryRecords: d.history.filter(h => h.ResourceCidr === formatCidr(asked)) }
  },
  GetIpamDiscoveredAccounts: (i, d) => ({ IpamDiscoveredAccounts: d.accounts.filter(a => a.DiscoveryRegion === i.DiscoveryRegion) }),
  GetIpamDiscoveredPublicAddresses: (i, d) => ({ IpamDiscoveredPublicAddresses: d.addresses.filter(a => a.AddressRegion === i.AddressRegion), OldestSampleTime: new Date(d.now - 300_000).toISOString() }),
  DescribeIpamResourceDiscoveries: (_, d) => ({ IpamResourceDiscoveries: d.discoveries }),
  DescribeIpamResourceDiscoveryAssociations: (_, d) => ({
    IpamResourceDiscoveryAssociations: d.ipams.map(i => ({
      IpamId: i.IpamId, IpamArn: i.IpamArn, IpamRegion: i.IpamRegion, IpamResourceDiscoveryId: i.DefaultResourceDiscoveryId, IpamResourceDiscoveryAssociationId: i.DefaultResourceDiscoveryAssociationId, IsDefault: true, OwnerId: i.OwnerId,
      ResourceDiscoveryStatus: 'active', State: 'associate-complete', Tags: [],
    })),
  }),
  GetAccessGrants: (_, d) => ({ AccessGrants: d.grants }),
  PutAccessGrants: (i, d) => {
    d.grants = { Administrators: i.Administrators ?? [], Allocators: i.Allocators ?? [], Readers: i.Readers ?? [] }
    return { AccessGrants: d.grants }
  },
  GetIpamSummary: (_, d) => ({ IpamSummaries: summary(d) }),
  GetIpamPoolUtilization: (i, d) => ({
    IpamPoolUtilizations: i.IpamPoolIds.map(id => {
      const pool = poolOf(d, id)
      const known = summary(d)[0]?.Pools?.find(p => p.IpamPoolId === id)
      const at = known?.PercentAllocated ?? percent[pool.IpamPoolId ?? ''] ?? 0
      const all = samples(d.now, Math.max(0, at - 7), at, 30)
      return { IpamPoolId: id, Samples: i.IpamPoolIds.length === 1 ? all : all.slice(-1).map(s => ({ ...s, PercentAllocated: at })), Forecast: known?.Forecast ?? { Outcome: 'not-enough-data' as const } }
    }),
  }),
  GetIpamSpaceMap: (i, d) => {
    const window = i.Cidr === undefined ? undefined : parseCidr(i.Cidr)
    const within = (cidr: string | undefined) => {
      const c = parseCidr(cidr ?? '')
      return c !== undefined && c.family === (i.AddressFamily === 'ipv6' ? 6 : window?.family ?? 4) && (window === undefined || overlaps(c, window))
    }
    const blocks: SpaceBlock[] = []
    const draw = (id: string, source: string | undefined, nested: boolean) => {
      for (const root of d.cidrs[id] ?? []) {
        if (root.State !== 'provisioned') continue
        blocks.push({ Cidr: root.Cidr, State: 'pool', ChildIpamPoolId: id, IpamPoolId: source })
        const outer = parseCidr(root.Cidr ?? '')
        const inside = (d.allocations[id] ?? []).filter(a => { const c = parseCidr(a.Cidr ?? ''); return outer !== undefined && c !== undefined && contains(outer, c) })
        for (const a of inside) {
          if (a.ResourceType === 'ipam-pool') continue
          blocks.push({ Cidr: a.Cidr, State: 'allocated', IpamPoolId: id, IpamPoolAllocationId: a.IpamPoolAllocationId, ResourceType: a.ResourceType, ResourceId: a.ResourceId, ResourceOwner: a.ResourceOwner, ResourceRegion: a.ResourceRegion, Description: a.Description, Name: a.Tags?.[0]?.Value })
        }
        if (outer) for (const gap of gaps(outer, inside.flatMap(a => parseCidr(a.Cidr ?? '') ?? []))) blocks.push({ Cidr: formatCidr(gap), State: 'free', IpamPoolId: id })
      }
      if (nested) for (const child of d.pools) if (child.SourceIpamPoolId === id) draw(child.IpamPoolId ?? '', id, true)
    }
    if (i.IpamPoolId !== undefined) draw(poolOf(d, i.IpamPoolId).IpamPoolId ?? '', undefined, true)
    else for (const p of d.pools) if (p.SourceIpamPoolId === undefined && p.IpamScopeArn?.endsWith(scopeOf(d, i.IpamScopeId).IpamScopeId ?? '') === true) draw(p.IpamPoolId ?? '', undefined, true)
    const order = (a: { Cidr?: string | undefined }, b: { Cidr?: string | undefined }) => {
      const x = parseCidr(a.Cidr ?? ''), y = parseCidr(b.Cidr ?? '')
      return !x || !y ? 0 : x.first < y.first ? -1 : x.first > y.first ? 1 : x.length - y.length
    }
    const shown = blocks.filter(b => within(b.Cidr)).sort(order)
    const resources = d.resources.filter(r => r.IpamScopeId === i.IpamScopeId && within(r.ResourceCidr)).map(r => ({
      Cidr: r.ResourceCidr, ResourceId: r.ResourceId, ResourceType: r.ResourceType, ResourceOwnerId: r.ResourceOwnerId, ResourceRegion: r.ResourceRegion, ResourceName: r.ResourceName, VpcId: r.VpcId, IpamPoolId: r.IpamPoolId,
      ManagementState: r.ManagementState, ComplianceStatus: r.ComplianceStatus, OverlapStatus: r.OverlapStatus, Since: new Date(d.now - 5 * 86_400_000).toISOString(),
      OverlapsWith: r.OverlapStatus === 'overlapping' ? d.resources.find(o => o !== r && o.OverlapStatus === 'overlapping' && overlaps(parseCidr(o.ResourceCidr ?? '') ?? never(), parseCidr(r.ResourceCidr ?? '') ?? never()))?.ResourceId : undefined,
    })).sort(order)
    const sum = (state: string) => shown.filter(b => b.State === state).reduce((n, b) => n + Number(size(parseCidr(b.Cidr ?? '') ?? never())), 0)
    return {
      IpamSpaceMap: {
        IpamScopeId: i.IpamScopeId, IpamPoolId: i.IpamPoolId, AddressFamily: i.AddressFamily ?? 'ipv4', Cidr: i.Cidr, Source: 'live', Detail: 'exact', AsOf: new Date(d.now).toISOString(),
        Blocks: shown, Resources: resources,
        Totals: {
          Pools: shown.filter(b => b.State === 'pool').length, Allocations: shown.filter(b => b.State === 'allocated').length, FreeBlocks: shown.filter(b => b.State === 'free').length, Resources: resources.length,
          ProvisionedAddresses: sum('allocated') + sum('free'), AllocatedAddresses: sum('allocated'), HeldAddresses: 0, FreeAddresses: sum('free'), OverlappingAddresses: 0, NoncompliantAddresses: 0, UnmanagedAddresses: 0,
        },
      },
    }
  },
  SearchIpam: (i, d) => {
    const text = i.Text.toLowerCase()
    const cidr = parseCidr(i.Text)
    const matches: SearchMatch[] = []
    const address = parseAddress(i.Text)
    const hit = (other: string | undefined) => {
      const c = parseCidr(other ?? '')
      return cidr !== undefined && c !== undefined && (address ? c.first <= address.value && address.value <= last(c) && c.family === address.family : overlaps(c, cidr))
    }
    for (const [id, all] of Object.entries(d.cidrs)) for (const c of all) if (hit(c.Cidr)) matches.push({ MatchKind: 'ipam-pool-cidr', MatchedBy: address ? 'address' : 'cidr', Cidr: c.Cidr, IpamPoolId: id })
    for (const [id, all] of Object.entries(d.allocations)) for (const a of all) {
      if (hit(a.Cidr) || a.IpamPoolAllocationId === i.Text || a.ResourceOwner === i.Text) matches.push({ MatchKind: 'ipam-pool-allocation', MatchedBy: cidr ? 'address' : 'id', Id: a.IpamPoolAllocationId, IpamPoolAllocationId: a.IpamPoolAllocationId, Cidr: a.Cidr, IpamPoolId: id, OwnerId: a.ResourceOwner, ResourceType: a.ResourceType, ResourceId: a.ResourceId, Description: a.Description })
    }
    for (const r of d.resources) {
      const byName = cidr === undefined && (r.ResourceName ?? '').toLowerCase().includes(text)
      if (hit(r.ResourceCidr) || r.ResourceId === i.Text || r.ResourceOwnerId === i.Text || byName) matches.push({ MatchKind: 'resource', MatchedBy: cidr ? 'address' : byName ? 'name' : 'id', Id: r.ResourceId, ResourceId: r.ResourceId, ResourceType: r.ResourceType, Cidr: r.ResourceCidr, OwnerId: r.ResourceOwnerId, ResourceRegion: r.ResourceRegion, IpamScopeId: r.IpamScopeId, IpamPoolId: r.IpamPoolId, Name: r.ResourceName, ComplianceStatus: r.ComplianceStatus, OverlapStatus: r.OverlapStatus, Since: new Date(d.now - 5 * 86_400_000).toISOString() })
    }
    if (cidr === undefined) for (const p of d.pools) if (p.IpamPoolId === i.Text || (p.Tags?.[0]?.Value ?? '').includes(text)) matches.push({ MatchKind: 'ipam-pool', MatchedBy: p.IpamPoolId === i.Text ? 'id' : 'name', Id: p.IpamPoolId, IpamPoolId: p.IpamPoolId, Name: p.Tags?.[0]?.Value, Description: p.Description })
    return { IpamSearchMatches: matches, SearchedAs: address ? 'address' : cidr ? 'cidr' : 'text' }
  },
}

function never(): never {
  throw new Error('the mock holds an invalid CIDR')
}
