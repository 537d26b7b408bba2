// The answers of GetIpamSpaceMap behind a map: one for the whole target and, if that one is in tiles,
// one for each part that the viewer has zoomed into.
import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import { call, type Input } from '../api/call'
import { type AddressFamily, type SpaceMap } from '../api/shapes'
import { contains, formatCidr, parseCidr, type Cidr } from '../cidr'
import { answerOf, compose, modelOf, type Answer, type Model } from './model'

// Target is the subject of a map: a scope with a family, or a pool; now, or at a time of the past.
export interface Target {
  IpamScopeId?: string
  IpamPoolId?: string
  AddressFamily?: AddressFamily
  AtTime?: string
}

const operation = 'GetIpamSpaceMap'

async function ask(input: Input<typeof operation>, signal: AbortSignal): Promise<SpaceMap> {
  return (await call(operation, input, { signal })).IpamSpaceMap ?? {}
}

export function useSpaceMap(target: Target | undefined) {
  return useQuery({
    queryKey: [operation, target],
    queryFn: ({ signal }) => ask(target ?? {}, signal),
    enabled: target !== undefined,
    staleTime: 30_000,
  })
}

export interface Space {
  model: Model
  newest: SpaceMap | undefined // the answer with the most detail for the view
  reading: boolean
  error: unknown
  refresh: () => void
}

// useSpace composes the answer about everything with those about windows, the parts of it that
// the viewer sees. It asks for a window unless an exact answer about it is there already.
export function useSpace(target: Target, base: SpaceMap, windows: readonly Cidr[]): Space {
  const client = useQueryClient()
  const key = useMemo(() => [operation, target, 'window'] as const, [target])
  const cached = client.getQueryCache().findAll({ queryKey: key }).flatMap(q => {
    const map = q.state.data as SpaceMap | undefined
    const region = parseCidr(String(q.queryKey[3]))
    return map && region ? [{ map, region }] : []
  })
  const wanted = windows.filter(w => !cached.some(a => a.map.Detail === 'exact' && contains(a.region, w) && formatCidr(a.region) !== formatCidr(w)))
  const answers = useQueries({
    queries: wanted.map(w => ({
      queryKey: [...key, formatCidr(w)],
      queryFn: ({ signal }: { signal: AbortSignal }) => ask({ ...target, Cidr: formatCidr(w) }, signal),
      staleTime: 30_000,
    })),
  })
  // The order of the cache is not of interest, but whether it holds something new.
  const stamp = cached.map(a => `${formatCidr(a.region)} ${a.map.AsOf ?? ''}`).sort().join()
  const model = useMemo(() => {
    const all: Answer[] = [answerOf(base, undefined), ...cached.map(a => answerOf(a.map, a.region))]
    return modelOf(compose(all))
    // eslint-disable-next-line react-hooks/exhaustive-deps -- stamp changes with the cached answers
  }, [base, stamp])
  return {
    model,
    newest: answers.findLast(a => a.data)?.data ?? base,
    reading: answers.some(a => a.isFetching),
    error: answers.find(a => a.error)?.error,
    refresh: () => void client.invalidateQueries({ queryKey: [operation, target] }),
  }
}
