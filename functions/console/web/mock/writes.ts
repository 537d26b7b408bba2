// The changes of the API in memory, with the refusals that the pages meet.
import { contains, formatCidr, gaps, overlaps, parseAddress, parseCidr, type Cidr } from '../src/cidr'
import type { Input, Operation, Output } from '../src/api/call'
import type { Allocation, Pool, PoolCidr } from '../src/data'
import { Refusal, type Handlers } from './answer'
import { hex, owner, type Data } from './data'

export function poolOf(d: Data, id: string | undefined): Pool {
  const pool = d.pools.find(p => p.IpamPoolId === id)
  if (!pool) throw new Refusal('InvalidIpamPoolId.NotFound', `The ipam-pool ID '${id ?? ''}' does not exist.`)
  return pool
}

export function scopeOf(d: Data, id: string | undefined) {
  const scope = d.scopes.find(s => s.IpamScopeId === id)
  if (!scope) throw new Refusal('InvalidIpamScopeId.NotFound', `The ipam-scope ID '${id ?? ''}' does not exist.`)
  return scope
}

function ipamOf(d: Data, id: string | undefined) {
  const ipam = d.ipams.find(i => i.IpamId === id)
  if (!ipam) throw new Refusal('InvalidIpamId.NotFound', `The ipam ID '${id ?? ''}' does not exist.`)
  return ipam
}

function cidrOf(text: string | undefined, parameter = 'Cidr'): Cidr {
  const cidr = parseCidr(text ?? '')
  if (!cidr || text?.includes('/') !== true) throw new Refusal('InvalidParameterValue', `Value (${text ?? ''}) for parameter ${parameter} is invalid. This is not a valid CIDR block; write it as address/length, for example 10.0.0.0/16 or 2001:db8::/48.`)
  if (parseAddress(text.split('/')[0] ?? '')?.value !== cidr.first) throw new Refusal('InvalidParameterValue', `Value (${text}) for parameter ${parameter} is invalid. The address has bits set beyond the netmask length; the CIDR block that holds it is ${formatCidr(cidr)}.`)
  return cidr
}

function known(text: string | undefined): Cidr {
  const cidr = parseCidr(text ?? '')
  if (!cidr) throw new Error('the mock holds an invalid CIDR')
  return cidr
}

let made = 0
function newId(kind: string, digits = 17): string {
  return `${kind}-${hex(`${kind} ${++made}`, digits)}`
}

const provisioned = (d: Data, pool: string) => (d.cidrs[pool] ?? []).filter(c => c.State === 'provisioned')
const taken = (d: Data, pool: string) => d.allocations[pool] ?? []

// freeBlock returns the lowest block of the tightest free one.
function freeBlock(d: Data, pool: string, length: number): string {
  const holes = provisioned(d, pool).flatMap(c => gaps(known(c.Cidr), taken(d, pool).map(a => known(a.Cidr))))
  const fit = holes.filter(h => h.length <= length).sort((a, b) => b.length - a.length || (a.first < b.first ? -1 : 1))[0]
  if (!fit) {
    const largest = Math.min(...holes.map(h => h.length))
    throw new Refusal('InvalidParameterValue', `The allocation size is too big for the pool. The pool ${pool} has no free /${length}; ${holes.length === 0 ? 'it is full' : `its largest free block is /${largest}`}.`)
  }
  return formatCidr({ ...fit, length })
}

// claim checks that a CIDR is free in a pool.
function claim(d: Data, pool: string, cidr: Cidr): string {
  const text = formatCidr(cidr)
  if (!provisioned(d, pool).some(c => contains(known(c.Cidr), cidr))) throw new Refusal('InvalidParameterValue', `The CIDR ${text} is not contained in a CIDR that is provisioned to ${pool}. GetIpamPoolCidrs lists them.`)
  const by = taken(d, pool).find(a => overlaps(known(a.Cidr), cidr))
  if (by) throw new Refusal('InvalidParameterValue', `The CIDR ${text} is not available in ${pool}: it overlaps ${by.Cidr ?? ''}, which is ${by.ResourceId ?? by.IpamPoolAllocationId ?? 'taken'}. Choose another CIDR.`)
  return text
}

type TagList = readonly { Key?: string; Value?: string }[]
function tagsOf(specifications: readonly { Tags?: TagList }[] | undefined): { Key: string; Value: string }[] {
  return (specifications ?? []).flatMap(s => s.Tags ?? []).map(t => ({ Key: t.Key ?? '', Value: t.Value ?? '' }))
}

function checkLengths(p: Pick<Pool, 'AllocationMinNetmaskLength' | 'AllocationMaxNetmaskLength' | 'AllocationDefaultNetmaskLength'>): void {
  const { AllocationMinNetmaskLength: min = 0, AllocationMaxNetmaskLength: max = 128, AllocationDefaultNetmaskLength: standard = min } = p
  if (min > max) throw new Refusal('InvalidParameterCombination', `AllocationMinNetmaskLength (${min}) must not be greater than AllocationMaxNetmaskLength (${max}). The minimum length is the largest block.`)
  if (standard < min || standard > max) throw new Refusal('InvalidParameterCombination', `AllocationDefaultNetmaskLength (${standard}) must lie between AllocationMinNetmaskLength (${min}) and AllocationMaxNetmaskLength (${max}).`)
}

// tagged is an object by its id, to set its tags.
function tagged(d: Data, id: string): { Tags?: { Key?: string; Value?: string }[] } {
  const found = d.pools.find(p => p.IpamPoolId === id) ?? d.scopes.find(s => s.IpamScopeId === id) ?? d.ipams.find(i => i.IpamId === id) ?? Object.values(d.allocations).flat().find(a => a.IpamPoolAllocationId === id)
  if (!found) throw new Refusal('InvalidID', `The ID '${id}' is not valid.`)
  return found
}

function deletePool(d: Data, pool: Pool, cascade: boolean): void {
  const id = pool.IpamPoolId ?? ''
  const held = (d.cidrs[id] ?? []).filter(c => c.State !== 'deprovisioned').length
  const children = d.pools.filter(p => p.SourceIpamPoolId === id)
  if (!cascade && (held > 0 || children.length > 0)) throw new Refusal('DependencyViolation', `The specified action is not valid for ${id}. There are one or more pool cidrs provisioned in the pool. Deprovision its ${held} CIDRs first, or delete with Cascade.`)
  for (const child of children) deletePool(d, child, true)
  d.pools = d.pools.filter(p => p !== pool)
  if (pool.SourceIpamPoolId !== undefined) d.allocations[pool.SourceIpamPoolId] = taken(d, pool.SourceIpamPoolId).filter(a => a.ResourceId !== id)
  d.cidrs = Object.fromEntries(Object.entries(d.cidrs).filter(([pool]) => pool !== id))
  d.allocations = Object.fromEntries(Object.entries(d.allocations).filter(([pool]) => pool !== id))
  d.shares = d.shares.filter(s => s.IpamPoolId !== id)
}

// once answers a repeated request with the same token as before.
function once<O extends Operation>(operation: O, make: (input: Input<O>, d: Data) => Output<O>): (input: Input<O>, d: Data) => Output<O> {
  return (input, d) => {
    const { ClientToken: token, ...rest } = input as Record<string, unknown>
    if (typeof token !== 'string' || rest['PreviewNextCidr'] === true) return make(input, d)
    const parameters = JSON.stringify(rest)
    const before = d.tokens.get(`${operation} ${token}`)
    if (before?.parameters === parameters) return before.answer as Output<O>
    if (before) throw new Refusal('IdempotentParameterMismatch', `The client token ${token} was used before with other parameters. Use a new token for another request.`)
    const answer = make(input, d)
    d.tokens.set(`${operation} ${token}`, { parameters, answer: structuredClone(answer) })
    return answer
  }
}

export const writes: Handlers = {
  CreateIpam: once('CreateIpam', (i, d) => {
    if (d.ipams.length > 0) throw new Refusal('ResourceLimitExceeded', 'You\'ve reached the limit for ipams. You have created 1 ipams and you are limited to 1.')
    const id = newId('ipam')
    const arn = `arn:aws:ec2::${owner}:ipam/${id}`
    const scope = (IpamScopeType: 'private' | 'public') => ({
      IpamScopeId: newId('ipam-scope'), IpamScopeArn: '', IpamArn: arn, IpamRegion: 'ap-northeast-1', IpamScopeType, IsDefault: true, OwnerId: owner, PoolCount: 0, State: 'create-complete' as const, Description: '', Tags: [],
    })
    const scopes = [scope('private'), scope('public')].map(s => ({ ...s, IpamScopeArn: `arn:aws:ec2::${owner}:ipam-scope/${s.IpamScopeId}` }))
    d.scopes.push(...scopes)
    const regions = [...new Set(['ap-northeast-1', ...(i.OperatingRegions ?? []).map(r => r.RegionName ?? '')])].sort()
    const ipam = {
      IpamId: id, IpamArn: arn, IpamRegion: 'ap-northeast-1', OwnerId: owner, Description: i.Description, State: 'create-complete' as const, Tier: 'advanced' as const, OperatingRegions: regions.map(RegionName => ({ RegionName })),
      PrivateDefaultScopeId: scopes[0]?.IpamScopeId, PublicDefaultScopeId: scopes[1]?.IpamScopeId, ScopeCount: 2, Tags: tagsOf(i.TagSpecifications),
    }
    d.ipams.push(ipam)
    return { Ipam: ipam }
  }),
  ModifyIpam: (i, d) => {
    const ipam = ipamOf(d, i.IpamId)
    const remove = (i.RemoveOperatingRegions ?? []).map(r => r.RegionName ?? '')
    const used = d.pools.find(p => remove.includes(p.Locale ?? ''))
    if (used) throw new Refusal('DependencyViolation', `The operating Region ${used.Locale ?? ''} cannot be removed from ${i.IpamId}: it is the locale of the pool ${used.IpamPoolId ?? ''}. Delete that pool first.`)
    const regions = new Set([...(ipam.OperatingRegions ?? []).map(r => r.RegionName ?? ''), ...(i.AddOperatingRegions ?? []).map(r => r.RegionName ?? '')])
    ipam.OperatingRegions = [...regions].filter(r => !remove.includes(r)).sort().map(RegionName => ({ RegionName }))
    if (i.Description !== undefined) ipam.Description = i.Description
    return { Ipam: ipam }
  },
  DeleteIpam: (i, d) => {
    const ipam = ipamOf(d, i.IpamId)
    const inside = d.pools.filter(p => p.IpamArn === ipam.IpamArn)
    if (i.Cascade !== true && inside.length > 0) throw new Refusal('DependencyViolation', `The specified action is not valid for ${i.IpamId}. It has ${inside.length} pools. Delete them first, or delete with Cascade.`)
    for (const pool of inside) if (d.pools.includes(pool)) deletePool(d, pool, true)
    d.scopes = d.scopes.filter(s => s.IpamArn !== ipam.IpamArn)
    d.ipams = d.ipams.filter(x => x !== ipam)
    return { Ipam: { ...ipam, State: 'delete-in-progress' } }
  },
  CreateIpamScope: once('CreateIpamScope', (i, d) => {
    const ipam = ipamOf(d, i.IpamId)
    if (d.scopes.length >= 5) throw new Refusal('ResourceLimitExceeded', 'You\'ve reached the limit for scopes. You have created 5 scopes and you are limited to 5.')
    const id = newId('ipam-scope')
    const scope = { IpamScopeId: id, IpamScopeArn: `arn:aws:ec2::${owner}:ipam-scope/${id}`, IpamArn: ipam.IpamArn, IpamRegion: 'ap-northeast-1', IpamScopeType: 'private' as const, IsDefault: false, OwnerId: owner, PoolCount: 0, State: 'create-complete' as const, Description: i.Description, Tags: tagsOf(i.TagSpecifications) }
    d.scopes.push(scope)
    return { IpamScope: scope }
  }),
  ModifyIpamScope: (i, d) => {
    const scope = scopeOf(d, i.IpamScopeId)
    scope.Description = i.Description
    return { IpamScope: scope }
  },
  DeleteIpamScope: (i, d) => {
    const scope = scopeOf(d, i.IpamScopeId)
    if (scope.IsDefault === true) throw new Refusal('OperationNotPermitted', `The scope ${i.IpamScopeId} is a default scope, which is deleted with its IPAM.`)
    if (d.pools.some(p => p.IpamScopeArn === scope.IpamScopeArn)) throw new Refusal('DependencyViolation', `The specified action is not valid for ${i.IpamScopeId}. There are pools in the scope; delete them first.`)
    d.scopes = d.scopes.filter(s => s !== scope)
    return { IpamScope: scope }
  },
  CreateIpamPool: once('CreateIpamPool', (i, d) => {
    const scope = scopeOf(d, i.IpamScopeId)
    const source = i.SourceIpamPoolId === undefined ? undefined : poolOf(d, i.SourceIpamPoolId)
    const regions = (d.ipams.find(m => m.IpamArn === scope.IpamArn)?.OperatingRegions ?? []).map(r => r.RegionName ?? '')
    const locale = i.Locale ?? source?.Locale ?? 'None'
    if (locale !== 'None' && !regions.includes(locale)) throw new Refusal('InvalidParameterValue', `Value (${locale}) for parameter Locale is invalid. It is no operating Region of the IPAM, which are ${regions.join(', ')}. Use one of them, or add the Region with ModifyIpam.`)
    checkLengths(i)
    const id = newId('ipam-pool')
    const pool: Pool = {
      IpamPoolId: id, IpamPoolArn: `arn:aws:ec2::${owner}:ipam-pool/${id}`, IpamArn: scope.IpamArn, IpamScopeArn: scope.IpamScopeArn, IpamScopeType: scope.IpamScopeType, IpamRegion: 'ap-northeast-1', OwnerId: owner, State: 'create-complete',
      AddressFamily: i.AddressFamily, SourceIpamPoolId: i.SourceIpamPoolId, PoolDepth: (source?.PoolDepth ?? 0) + 1, Locale: locale, Description: i.Description, AutoImport: i.AutoImport ?? false, AllocationMinNetmaskLength: i.AllocationMinNetmaskLength,
      AllocationMaxNetmaskLength: i.AllocationMaxNetmaskLength, AllocationDefaultNetmaskLength: i.AllocationDefaultNetmaskLength, AllocationResourceTags: i.AllocationResourceTags ?? [], Tags: tagsOf(i.TagSpecifications),
    }
    d.pools.push(pool)
    d.cidrs[id] = []
    d.allocations[id] = []
    scope.PoolCount = (scope.PoolCount ?? 0) + 1
    return { IpamPool: pool }
  }),
  ModifyIpamPool: (i, d) => {
    const pool = poolOf(d, i.IpamPoolId)
    const next = { ...pool }
    if (i.Description !== undefined) next.Description = i.Description
    if (i.AutoImport !== undefined) next.AutoImport = i.AutoImport
    for (const name of ['AllocationMinNetmaskLength', 'AllocationMaxNetmaskLength', 'AllocationDefaultNetmaskLength'] as const) if (i[name] !== undefined) next[name] = i[name]
    if (i.ClearAllocationDefaultNetmaskLength === true) next.AllocationDefaultNetmaskLength = undefined
    const removed = i.RemoveAllocationResourceTags ?? []
    const added = i.AddAllocationResourceTags ?? []
    next.AllocationResourceTags = [...(pool.AllocationResourceTags ?? []).filter(t => !removed.some(r => r.Key === t.Key && r.Value === t.Value) && !added.some(a => a.Key === t.Key)), ...added]
    checkLengths(next)
    Object.assign(pool, next)
    return { IpamPool: pool }
  },
  DeleteIpamPool: (i, d) => {
    const pool = poolOf(d, i.IpamPoolId)
    deletePool(d, pool, i.Cascade === true)
    return { IpamPool: { ...pool, State: 'delete-in-progress' } }
  },
  ProvisionIpamPoolCidr: once('ProvisionIpamPoolCidr', (i, d) => {
    const pool = poolOf(d, i.IpamPoolId)
    const id = i.IpamPoolId
    if ((i.Cidr === undefined) === (i.NetmaskLength === undefined)) throw new Refusal('InvalidParameterCombination', 'The request must contain exactly one of Cidr and NetmaskLength.')
    const source = pool.SourceIpamPoolId
    let cidr: string
    if (source !== undefined) {
      cidr = i.NetmaskLength === undefined ? claim(d, source, cidrOf(i.Cidr)) : freeBlock(d, source, i.NetmaskLength)
      const allocation: Allocation = { Cidr: cidr, IpamPoolAllocationId: newId('ipam-pool-alloc', 32), ResourceType: 'ipam-pool', ResourceId: id, ResourceOwner: owner, ResourceRegion: 'ap-northeast-1', Tags: [] }
      d.allocations[source] = [...taken(d, source), allocation]
    } else {
      if (i.Cidr === undefined) throw new Refusal('InvalidParameterCombination', `The top-level pool ${id} takes its IPv4 CIDRs from no other pool, so a NetmaskLength has nothing to choose from. Give the Cidr.`)
      const wanted = cidrOf(i.Cidr)
      const other = d.pools.filter(p => p.IpamScopeArn === pool.IpamScopeArn && p.SourceIpamPoolId === undefined).flatMap(p => provisioned(d, p.IpamPoolId ?? '').map(c => ({ pool: p.IpamPoolId, cidr: c.Cidr }))).find(o => overlaps(known(o.cidr), wanted))
      if (other) throw new Refusal('InvalidParameterValue', `The CIDR ${i.Cidr} is not available in the scope: it overlaps ${other.cidr ?? ''}, which is of the pool ${other.pool ?? ''}. Choose another CIDR.`)
      cidr = i.Cidr
    }
    const made: PoolCidr = { Cidr: cidr, State: 'provisioned', NetmaskLength: i.NetmaskLength, IpamPoolCidrId: newId('ipam-pool-cidr', 32) }
    d.cidrs[id] = [...(d.cidrs[id] ?? []), made]
    // The answer is that of the beginning; lists show the end.
    return { IpamPoolCidr: { ...made, State: 'pending-provision' as const } }
  }),
  DeprovisionIpamPoolCidr: (i, d) => {
    const pool = poolOf(d, i.IpamPoolId)
    const cidr = (d.cidrs[i.IpamPoolId] ?? []).find(c => c.Cidr === i.Cidr)
    if (!cidr) throw new Refusal('InvalidParameterValue', `The CIDR ${i.Cidr ?? ''} is not provisioned to ${i.IpamPoolId}. GetIpamPoolCidrs lists the CIDRs that are.`)
    const inside = taken(d, i.IpamPoolId).filter(a => contains(known(cidr.Cidr), known(a.Cidr)))
    if (inside.length > 0) Object.assign(cidr, { State: 'failed-deprovision', FailureReason: { Code: 'limit-exceeded', Message: `The CIDR has one or more allocations: ${inside[0]?.Cidr ?? ''}${inside.length > 1 ? ` and ${inside.length - 1} more` : ''}. Release them first.` } })
    else {
      cidr.State = 'deprovisioned'
      if (pool.SourceIpamPoolId !== undefined) d.allocations[pool.SourceIpamPoolId] = taken(d, pool.SourceIpamPoolId).filter(a => a.Cidr !== cidr.Cidr)
    }
    return { IpamPoolCidr: { ...cidr, State: 'pending-deprovision', FailureReason: undefined } }
  },
  AllocateIpamPoolCidr: once('AllocateIpamPoolCidr', (i, d) => {
    const pool = poolOf(d, i.IpamPoolId)
    const id = i.IpamPoolId
    if (i.Cidr !== undefined && i.NetmaskLength !== undefined) throw new Refusal('InvalidParameterCombination', 'The parameter \'Cidr\' may not be used in combination with \'NetmaskLength\'. Exactly one of them should be provided.')
    const wanted = i.Cidr === undefined ? undefined : cidrOf(i.Cidr)
    const length = wanted?.length ?? i.NetmaskLength ?? pool.AllocationDefaultNetmaskLength
    if (length === undefined) throw new Refusal('InvalidParameterCombination', 'The request cannot contain empty CIDR and Netmask Length for a pool with no default allocation netmask length set. Exactly one of them should be provided.')
    const { AllocationMinNetmaskLength: min = 0, AllocationMaxNetmaskLength: max = pool.AddressFamily === 'ipv6' ? 128 : 32 } = pool
    if (length < min) throw new Refusal('InvalidParameterValue', `The netmask length /${length} is shorter than the allocation minimum netmask length /${min} of ${id}. Ask for a block of /${min} to /${max}.`)
    if (length > max) throw new Refusal('InvalidParameterValue', `The netmask length /${length} is longer than the allocation maximum netmask length /${max} of ${id}. Ask for a block of /${min} to /${max}.`)
    const Cidr = wanted ? claim(d, id, wanted) : freeBlock(d, id, length)
    const allocation: Allocation = { Cidr, ResourceType: 'custom', ResourceOwner: owner, Description: i.Description, Tags: tagsOf(i.TagSpecifications) }
    if (i.PreviewNextCidr === true) return { IpamPoolAllocation: allocation }
    allocation.IpamPoolAllocationId = newId('ipam-pool-alloc', 32)
    d.allocations[id] = [...taken(d, id), allocation]
    return { IpamPoolAllocation: allocation }
  }),
  ModifyIpamPoolAllocation: (i, d) => {
    const allocation = Object.values(d.allocations).flat().find(a => a.IpamPoolAllocationId === i.IpamPoolAllocationId)
    if (!allocation) throw new Refusal('InvalidIpamPoolAllocationId.NotFound', `The IPAM pool allocation (${i.IpamPoolAllocationId}) does not exist.`)
    allocation.Description = i.Description
    return { IpamPoolAllocation: allocation }
  },
  ReleaseIpamPoolAllocation: (i, d) => {
    poolOf(d, i.IpamPoolId)
    const allocation = taken(d, i.IpamPoolId).find(a => a.IpamPoolAllocationId === i.IpamPoolAllocationId)
    if (!allocation) throw new Refusal('InvalidParameterCombination', `No allocation found in ${i.IpamPoolId} with the ID ${i.IpamPoolAllocationId}. GetIpamPoolAllocations lists those of a pool.`)
    if (allocation.ResourceType !== 'custom') throw new Refusal('InvalidParameterCombination', `The allocation ${i.IpamPoolAllocationId} of type ${allocation.ResourceType ?? ''} cannot be released; only custom allocations can.`)
    d.allocations[i.IpamPoolId] = taken(d, i.IpamPoolId).filter(a => a !== allocation)
    return { Success: true }
  },
  ModifyIpamResourceCidr: (i, d) => {
    const resource = d.resources.find(r => r.ResourceId === i.ResourceId && r.ResourceCidr === i.ResourceCidr && r.IpamScopeId === i.CurrentIpamScopeId)
    if (!resource) throw new Refusal('InvalidParameterValue', `There is no resource ${i.ResourceId} with the CIDR ${i.ResourceCidr} of Region ${i.ResourceRegion} in ${i.CurrentIpamScopeId}. GetIpamResourceCidrs lists the resources there.`)
    if (resource.ResourceType !== 'vpc') throw new Refusal('OperationNotPermitted', `The resource ${i.ResourceId} is a ${resource.ResourceType ?? ''}. Only the CIDRs of VPCs are ignored and moved; the subnets and interfaces in a VPC follow.`)
    Object.assign(resource, i.Monitored
      ? { ManagementState: resource.IpamPoolId === undefined ? 'unmanaged' : 'managed', ComplianceStatus: resource.IpamPoolId === undefined ? 'unmanaged' : 'compliant', OverlapStatus: 'nonoverlapping' }
      : { ManagementState: 'ignored', ComplianceStatus: 'ignored', OverlapStatus: 'ignored' })
    if (i.DestinationIpamScopeId !== undefined) resource.IpamScopeId = scopeOf(d, i.DestinationIpamScopeId).IpamScopeId
    return { IpamResourceCidr: resource }
  },
  PutIpamPoolShare: (i, d) => {
    const pool = poolOf(d, i.IpamPoolId)
    if (i.Principal === pool.OwnerId) throw new Refusal('InvalidParameterValue', `Value (${i.Principal}) for parameter Principal is invalid. It is the pool's owner, which needs no share.`)
    const share = { IpamPoolId: i.IpamPoolId, Principal: i.Principal, Permission: 'allocate' as const }
    if (!d.shares.some(s => s.IpamPoolId === share.IpamPoolId && s.Principal === share.Principal)) d.shares.push(share)
    return { IpamPoolShare: share }
  },
  DeleteIpamPoolShare: (i, d) => {
    const share = d.shares.find(s => s.IpamPoolId === i.IpamPoolId && s.Principal === i.Principal)
    if (!share) throw new Refusal('InvalidParameterValue', `The pool ${i.IpamPoolId} is not shared with ${i.Principal}.`)
    d.shares = d.shares.filter(s => s !== share)
    return { IpamPoolShare: share }
  },
  CreateTags: (i, d) => {
    for (const id of i.Resources) {
      const object = tagged(d, id)
      object.Tags = [...(object.Tags ?? []).filter(t => !i.Tags.some(n => n.Key === t.Key)), ...i.Tags.map(t => ({ Key: t.Key ?? '', Value: t.Value ?? '' }))]
    }
    return { Return: true }
  },
  DeleteTags: (i, d) => {
    for (const id of i.Resources) {
      const object = tagged(d, id)
      object.Tags = (object.Tags ?? []).filter(t => !(i.Tags ?? []).some(n => n.Key === t.Key && (n.Value === undefined || n.Value === t.Value)))
    }
    return { Return: true }
  },
}
