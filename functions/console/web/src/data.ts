// Queries that several pages share.
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { call, type Output } from './api/call'
import { collect } from './api/paging'
import { nameOf } from './parts/cells'
import { common } from './parts/text'
import { useText } from './text'

export type Ipam = NonNullable<Output<'DescribeIpams'>['Ipams']>[number]
export type Scope = NonNullable<Output<'DescribeIpamScopes'>['IpamScopes']>[number]
export type Pool = NonNullable<Output<'DescribeIpamPools'>['IpamPools']>[number]
export type PoolCidr = NonNullable<Output<'GetIpamPoolCidrs'>['IpamPoolCidrs']>[number]
export type Allocation = NonNullable<Output<'GetIpamPoolAllocations'>['IpamPoolAllocations']>[number]
export type Resource = NonNullable<Output<'GetIpamResourceCidrs'>['IpamResourceCidrs']>[number]
export type Share = NonNullable<Output<'DescribeIpamPoolShares'>['IpamPoolShares']>[number]
export type HistoryRecord = NonNullable<Output<'GetIpamAddressHistory'>['HistoryRecords']>[number]
export type PublicAddress = NonNullable<Output<'GetIpamDiscoveredPublicAddresses'>['IpamDiscoveredPublicAddresses']>[number]
export type DiscoveredAccount = NonNullable<Output<'GetIpamDiscoveredAccounts'>['IpamDiscoveredAccounts']>[number]
export type Discovery = NonNullable<Output<'DescribeIpamResourceDiscoveries'>['IpamResourceDiscoveries']>[number]

export const allocationsOf = (o: { IpamPoolAllocations?: Allocation[] }) => o.IpamPoolAllocations
export const resourcesOf = (o: Output<'GetIpamResourceCidrs'>) => o.IpamResourceCidrs
export const poolCidrsOf = (o: Output<'GetIpamPoolCidrs'>) => o.IpamPoolCidrs
export const sharesOf = (o: Output<'DescribeIpamPoolShares'>) => o.IpamPoolShares

// idOf returns the id at the end of an ARN.
export function idOf(arn: string | undefined): string | undefined {
  return arn?.split('/').at(-1)
}

// displayName returns the name of a thing with tags: its tag Name, its description or its id.
export function displayName(tags: Pool['Tags'], id: string | undefined): string {
  return nameOf(tags) ?? id ?? ''
}

export function usePools() {
  return useQuery({
    queryKey: ['DescribeIpamPools', {}, 'all'],
    queryFn: async ({ signal }) => (await collect('DescribeIpamPools', {}, o => o.IpamPools, { signal })).rows,
    staleTime: 30_000,
  })
}

// usePoolNames returns a function that gives the name of a pool, and its id as long as the
// pools are not there.
export function usePoolNames(): (id: string | undefined) => string | undefined {
  const { data } = usePools()
  const names = useMemo(() => new Map((data ?? []).map(p => [p.IpamPoolId, nameOf(p.Tags)])), [data])
  return id => (id === undefined ? undefined : (names.get(id) ?? id))
}

export function useIpams() {
  return useQuery({
    queryKey: ['DescribeIpams', {}, 'all'],
    queryFn: async ({ signal }) => (await collect('DescribeIpams', {}, o => o.Ipams, { signal })).rows,
    staleTime: 60_000,
  })
}

export function useScopes() {
  return useQuery({
    queryKey: ['DescribeIpamScopes', {}, 'all'],
    queryFn: async ({ signal }) => (await collect('DescribeIpamScopes', {}, o => o.IpamScopes, { signal })).rows,
    staleTime: 60_000,
  })
}

export function useDiscoveries() {
  return useQuery({
    queryKey: ['DescribeIpamResourceDiscoveries', {}, 'all'],
    queryFn: async ({ signal }) => (await collect('DescribeIpamResourceDiscoveries', {}, o => o.IpamResourceDiscoveries, { signal })).rows,
    staleTime: 60_000,
  })
}

// useUtilizations reads the newest utilisation of pools, and their forecasts.
export function useUtilizations(pools: readonly (string | undefined)[]) {
  const ids = pools.filter(id => id !== undefined)
  return useQuery({
    queryKey: ['GetIpamPoolUtilization', ids],
    queryFn: async ({ signal }) => {
      const found = []
      // The API answers for 100 pools at a time.
      for (let i = 0; i < ids.length; i += 100) {
        const answer = await call('GetIpamPoolUtilization', { IpamPoolIds: ids.slice(i, i + 100) }, { signal })
        found.push(...(answer.IpamPoolUtilizations ?? []))
      }
      return found
    },
    enabled: ids.length > 0,
    staleTime: 60_000,
    placeholderData: old => old,
  })
}

// useScopeName returns a function that names a scope in the viewer's language.
export function useScopeName(): (scope: Scope) => string {
  const t = useText(common)
  return scope => {
    const name = nameOf(scope.Tags) ?? (scope.Description === '' ? undefined : scope.Description)
    const kind = scope.IpamScopeType === 'public' ? t.publicScope : t.privateScope
    return name === undefined ? `${kind} · ${scope.IpamScopeId ?? ''}` : `${kind} · ${name}`
  }
}
