import { contains, formatCidr, gaps, last, overlaps, parseAddress, parseCidr, size } from '../src/cidr'
import type { SearchMatch, SpaceBlock } from '../src/api/shapes'
import { Refusal, type Handlers } from './answer'
import { order } from '../src/map/axis'
import { hex, samples, summary } from './data'
import { tilesOf } from './tiles'
import { poolOf, scopeOf, writes } from './writes'

const percent: Record<string, number> = { dev: 100 }

export const handlers: Handlers = {
  ...writes,
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
      const at = known?.PercentAvailable === undefined ? (percent[pool.IpamPoolId ?? ''] ?? 0) : 100 - known.PercentAvailable
      const all = samples(d.now, Math.max(0, at - 7), at, 30)
      return { IpamPoolId: id, Samples: i.IpamPoolIds.length === 1 ? all : all.slice(-1).map(s => ({ ...s, PercentAllocated: at * 0.4, PercentAssigned: at * 0.6 })), Forecast: known?.Forecast ?? { Outcome: 'not-enough-data' as const } }
    }),
  }),
  GetIpamSpaceMap: (i, d) => {
    const at = i.AtTime === undefined ? d.now : Date.parse(i.AtTime)
    if (at > Date.now()) throw new Refusal('InvalidParameterValue', `Value (${i.AtTime ?? ''}) for parameter AtTime is invalid. It is in the future. Leave it out for the present map.`)
    const window = i.Cidr === undefined ? undefined : parseCidr(i.Cidr)
    const pool = i.IpamPoolId === undefined ? undefined : poolOf(d, i.IpamPoolId)
    const scope = pool ? pool.IpamScopeArn?.split('/')[1] : scopeOf(d, i.IpamScopeId).IpamScopeId
    const family = pool?.AddressFamily ?? i.AddressFamily ?? (window?.family === 6 ? 'ipv6' : 'ipv4')
    const roots = pool ? (d.cidrs[pool.IpamPoolId ?? ''] ?? []).flatMap(c => (c.State === 'provisioned' ? (parseCidr(c.Cidr ?? '') ?? []) : [])) : undefined
    const within = (cidr: string | undefined) => {
      const c = parseCidr(cidr ?? '')
      return c !== undefined && c.family === (family === 'ipv6' ? 6 : 4) && (window === undefined || overlaps(c, window)) && (roots === undefined || roots.some(r => overlaps(r, c)))
    }
    // Of the past, the mock knows when its resources appeared.
    const there = (id: string | undefined) => i.AtTime === undefined || id === undefined || !d.resources.some(r => r.ResourceId === id) || d.now - ageOf(id) <= at
    const live = d.resources.filter(r => there(r.ResourceId))
    const blocks: SpaceBlock[] = []
    const draw = (id: string, source: string | undefined) => {
      for (const root of d.cidrs[id] ?? []) {
        const outer = parseCidr(root.Cidr ?? '')
        if (root.State !== 'provisioned' || !outer) continue
        blocks.push({ Cidr: root.Cidr, State: 'pool', ChildIpamPoolId: id, IpamPoolId: source })
        const inside = (d.allocations[id] ?? []).filter(a => there(a.ResourceId)).flatMap(a => { const cidr = parseCidr(a.Cidr ?? ''); return cidr && contains(outer, cidr) ? [{ a, cidr }] : [] })
        for (const { a } of inside) {
          if (a.ResourceType === 'ipam-pool') continue
          blocks.push({ Cidr: a.Cidr, State: 'allocated', IpamPoolId: id, IpamPoolAllocationId: a.IpamPoolAllocationId, ResourceType: a.ResourceType, ResourceId: a.ResourceId, ResourceOwner: a.ResourceOwner, ResourceRegion: a.ResourceRegion, Description: a.Description, Name: a.Tags?.[0]?.Value })
        }
        // Live resources without an allocation hold the space that they use.
        const held = live.flatMap(r => { const cidr = parseCidr(r.ResourceCidr ?? ''); return cidr && r.ManagementState === 'unmanaged' && r.IpamScopeId === scope && contains(outer, cidr) && !inside.some(o => overlaps(o.cidr, cidr)) ? [cidr] : [] })
        for (const cidr of new Set(held.map(formatCidr))) blocks.push({ Cidr: cidr, State: 'held', IpamPoolId: id })
        for (const gap of gaps(outer, [...inside.map(o => o.cidr), ...held])) blocks.push({ Cidr: formatCidr(gap), State: 'free', IpamPoolId: id })
      }
      for (const child of d.pools) if (child.SourceIpamPoolId === id) draw(child.IpamPoolId ?? '', id)
    }
    if (pool) draw(pool.IpamPoolId ?? '', pool.SourceIpamPoolId)
    else for (const p of d.pools) if (p.SourceIpamPoolId === undefined && p.IpamScopeArn?.endsWith(scope ?? '') === true) draw(p.IpamPoolId ?? '', undefined)
    const sort = <T extends { Cidr?: string | undefined }>(all: T[]): T[] => all
      .map(of => ({ of, cidr: parseCidr(of.Cidr ?? '') ?? never() }))
      .sort((a, b) => order(a.cidr, b.cidr))
      .map(({ of }) => of)
    const shown = sort(blocks.filter(b => within(b.Cidr)))
    const resources = sort(live.filter(r => r.IpamScopeId === scope && within(r.ResourceCidr)).map(r => ({
      Cidr: r.ResourceCidr, ResourceId: r.ResourceId, ResourceType: r.ResourceType, ResourceOwnerId: r.ResourceOwnerId, ResourceRegion: r.ResourceRegion, ResourceName: r.ResourceName, VpcId: r.VpcId, IpamPoolId: r.IpamPoolId,
      ManagementState: r.ManagementState, ComplianceStatus: r.ComplianceStatus, OverlapStatus: r.OverlapStatus, Since: new Date(d.now - ageOf(r.ResourceId ?? '')).toISOString(),
      OverlapsWith: r.OverlapStatus === 'overlapping' ? d.resources.find(o => o !== r && o.OverlapStatus === 'overlapping' && overlaps(parseCidr(o.ResourceCidr ?? '') ?? never(), parseCidr(r.ResourceCidr ?? '') ?? never()))?.ResourceId : undefined,
    })))
    const exact = shown.length + resources.length <= (i.MaxBlocks ?? 2000)
    const sum = (state: string) => shown.filter(b => b.State === state).reduce((n, b) => n + Number(size(parseCidr(b.Cidr ?? '') ?? never())), 0)
    return {
      IpamSpaceMap: {
        IpamScopeId: scope, IpamPoolId: i.IpamPoolId, AddressFamily: family, Cidr: i.Cidr, Source: i.AtTime !== undefined ? 'history' : exact || window ? 'live' : 'summary', Detail: exact ? 'exact' : 'tiles', AsOf: new Date(i.AtTime !== undefined ? at : d.now - (exact || window ? 0 : 2_400_000)).toISOString(),
        ...(exact ? { Blocks: shown, Resources: resources } : { Tiles: tilesOf(shown, resources, window) }),
        Totals: {
          Allocations: shown.filter(b => b.State === 'allocated').length, FreeBlocks: shown.filter(b => b.State === 'free').length, Resources: resources.length,
          ProvisionedAddresses: sum('allocated') + sum('held') + sum('free'), AllocatedAddresses: sum('allocated'), HeldAddresses: sum('held'), FreeAddresses: sum('free'), OverlappingAddresses: 0, NoncompliantAddresses: 0, UnmanagedAddresses: 0,
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

// ageOf returns how long a resource has been there: from hours to two years.
function ageOf(id: string): number {
  return 3_600_000 * 2 ** (parseInt(hex(id, 4), 16) % 15)
}

function never(): never {
  throw new Error('the mock holds an invalid CIDR')
}
