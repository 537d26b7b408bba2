// The smallest modification that makes an object as the form wishes. It is undefined if nothing changes.
import { type Ipam, type Pool } from '../data'
import { type Rules } from '../pages/create/plans'
import { bitsOf, tagChange } from './values'

type PoolNow = Pick<Pool, 'AddressFamily' | 'Description' | 'AllocationMinNetmaskLength' | 'AllocationMaxNetmaskLength' | 'AllocationDefaultNetmaskLength' | 'AllocationResourceTags' | 'AutoImport'>

// rulesOf returns the rules of a pool as a form edits them.
export function rulesOf(pool: PoolNow): Rules {
  return {
    min: pool.AllocationMinNetmaskLength, max: pool.AllocationMaxNetmaskLength, standard: pool.AllocationDefaultNetmaskLength,
    tags: (pool.AllocationResourceTags ?? []).map(t => ({ Key: t.Key ?? '', Value: t.Value ?? '' })), autoImport: pool.AutoImport === true,
  }
}

// poolChange returns the members of ModifyIpamPool. A limit that goes becomes the widest one: the API has no way to remove it.
export function poolChange(pool: PoolNow, wish: { description: string; rules: Rules }) {
  const have = rulesOf(pool)
  const { rules } = wish
  const change = tagChange(have.tags, rules.tags)
  // A tag with another value is removed with its old value, so that the pool does not ask for both.
  const replaced = have.tags.filter(t => change.set.some(s => s.Key === t.Key))
  const remove = [...change.remove, ...replaced]
  const members = {
    Description: wish.description.trim() === (pool.Description ?? '') ? undefined : wish.description.trim(),
    AllocationMinNetmaskLength: rules.min === have.min ? undefined : (rules.min ?? 0),
    AllocationMaxNetmaskLength: rules.max === have.max ? undefined : (rules.max ?? bitsOf(pool.AddressFamily ?? 'ipv4')),
    AllocationDefaultNetmaskLength: rules.standard === have.standard ? undefined : rules.standard,
    ClearAllocationDefaultNetmaskLength: rules.standard === undefined && have.standard !== undefined ? true : undefined,
    AddAllocationResourceTags: change.set.length === 0 ? undefined : change.set,
    RemoveAllocationResourceTags: remove.length === 0 ? undefined : remove,
    AutoImport: rules.autoImport === have.autoImport ? undefined : rules.autoImport,
  }
  return Object.values(members).every(v => v === undefined) ? undefined : members
}

// ipamChange returns the members of ModifyIpam.
export function ipamChange(ipam: Pick<Ipam, 'Description' | 'OperatingRegions'>, wish: { description: string; regions: readonly string[] }) {
  const have = (ipam.OperatingRegions ?? []).flatMap(r => r.RegionName ?? [])
  const add = wish.regions.filter(r => !have.includes(r))
  const remove = have.filter(r => !wish.regions.includes(r))
  const named = (names: readonly string[]) => (names.length === 0 ? undefined : names.map(RegionName => ({ RegionName })))
  const members = {
    Description: wish.description.trim() === (ipam.Description ?? '') ? undefined : wish.description.trim(),
    AddOperatingRegions: named(add),
    RemoveOperatingRegions: named(remove),
  }
  return Object.values(members).every(v => v === undefined) ? undefined : members
}

// below returns the pools under a pool, all levels.
export function below(pools: readonly Pool[], id: string): Pool[] {
  const found: Pool[] = []
  for (let level: (string | undefined)[] = [id]; level.length > 0; ) {
    const next = pools.filter(p => p.SourceIpamPoolId !== undefined && level.includes(p.SourceIpamPoolId) && !found.includes(p))
    found.push(...next)
    level = next.map(p => p.IpamPoolId)
  }
  return found
}
