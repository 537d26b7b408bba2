// The plans of the wizard and of the forms that create pools.
import { Ref, step, type Plan } from '../../acts/plan'
import { canonical, named, tagSpecifications, text, type Family, type Tag } from '../../acts/values'

// Rules are the rules of a pool as a form edits them.
export interface Rules {
  min: number | undefined // the shortest netmask: the largest block
  max: number | undefined
  standard: number | undefined
  tags: readonly Tag[]
  autoImport: boolean
}

export const noRules: Rules = { min: undefined, max: undefined, standard: undefined, tags: [], autoImport: false }

// ruleMembers are the rules as members of CreateIpamPool.
export function ruleMembers(rules: Rules) {
  return {
    AllocationMinNetmaskLength: rules.min,
    AllocationMaxNetmaskLength: rules.max,
    AllocationDefaultNetmaskLength: rules.standard,
    AllocationResourceTags: rules.tags.length === 0 ? undefined : [...rules.tags],
    AutoImport: rules.autoImport ? true : undefined,
  }
}

export interface NewPool {
  scope: string | Ref
  family: Family
  source: string | Ref | undefined
  locale: string | undefined
  name: string
  description: string
  tags: readonly Tag[]
  rules: Rules
  advertisable?: boolean | undefined
}

// poolSteps returns the creation of a pool, and of its first CIDR if there is one.
export function poolSteps(id: string, pool: NewPool, cidr: { Cidr: string } | { NetmaskLength: number } | undefined, after?: readonly string[]): Plan {
  const create = step(id, 'CreateIpamPool', {
    IpamScopeId: pool.scope,
    AddressFamily: pool.family,
    SourceIpamPoolId: pool.source,
    Locale: pool.locale,
    Description: text(pool.description),
    ...ruleMembers(pool.rules),
    PubliclyAdvertisable: pool.advertisable,
    TagSpecifications: tagSpecifications('ipam-pool', named(pool.name, pool.tags)),
  })
  return cidr === undefined ? [create] : [create, step(`${id}-cidr`, 'ProvisionIpamPoolCidr', { IpamPoolId: new Ref(id, 'IpamPool.IpamPoolId'), ...cidr }, { after })]
}

export interface Wish {
  // scope is that of an IPAM that exists, or undefined for a new IPAM.
  scope: string | undefined
  ipam: { name: string; description: string; regions: readonly string[] }
  family: Family
  top: { name: string; cidr: string }
  regions: readonly { region: string; name: string; length: number }[]
  rules: Rules
}

// wizardPlan returns the calls of the wizard: the IPAM, the top-level pool with its space, and a pool for each
// Region with a part of it. The rules are those of the pools that give space to resources: the regional ones, or
// the top-level pool if there is none.
export function wizardPlan(wish: Wish): Plan {
  const scope = wish.scope ?? new Ref('ipam', 'Ipam.PrivateDefaultScopeId')
  const plan = wish.scope === undefined ? [step('ipam', 'CreateIpam', {
    Description: text(wish.ipam.description),
    OperatingRegions: wish.ipam.regions.map(RegionName => ({ RegionName })),
    TagSpecifications: tagSpecifications('ipam', named(wish.ipam.name, [])),
  })] : []
  const pool = (name: string, source: Ref | undefined, locale: string | undefined, rules: Rules): NewPool => ({ scope, family: wish.family, source, locale, name, description: '', tags: [], rules })
  return [
    ...plan,
    ...poolSteps('top', pool(wish.top.name, undefined, undefined, wish.regions.length === 0 ? wish.rules : noRules), { Cidr: canonical(wish.top.cidr) }),
    ...wish.regions.flatMap(r => poolSteps(`pool-${r.region}`, pool(r.name, new Ref('top', 'IpamPool.IpamPoolId'), r.region, wish.rules), { NetmaskLength: r.length }, ['top-cidr'])),
  ]
}

// partOf returns the length of equal parts of a block for n Regions, with room for as many again.
export function partOf(length: number, n: number, bits: number): number {
  return Math.min(bits, length + Math.max(2, Math.ceil(Math.log2(Math.max(1, n))) + 1))
}

// fits reports whether parts of the lengths fit into a block.
export function fits(length: number, parts: readonly number[]): boolean {
  const whole = 2 ** -length
  return parts.reduce((sum, part) => sum + 2 ** -part, 0) <= whole
}

export type RuleFault = 'order' | 'between'

// ruleFault returns the fault of the lengths of rules.
export function ruleFault({ min, max, standard }: Rules): RuleFault | undefined {
  if (min !== undefined && max !== undefined && min > max) return 'order'
  if (standard !== undefined && ((min !== undefined && standard < min) || (max !== undefined && standard > max))) return 'between'
  return undefined
}
