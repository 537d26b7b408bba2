// Lists that the API answers in pages.
import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { call, type Input, type Operation, type Operations, type Output } from './call'

// Paginated are the operations that answer in pages.
export type Paginated = {
  [O in Operation]: Operations[O] extends { output: { NextToken?: string } } ? O : never
}[Operation]

export interface Filter {
  Name: string
  Values: string[]
}

// chunk is the number of rows that a list asks for at a time.
export const chunk = 200

// most is the number of rows that a list reads to sort or search them in the browser.
export const most = 10_000

// page returns the input for one answer. The API refuses MaxResults beside a list of ids: that answer has all
// of them.
function page<O extends Paginated>(input: Input<O>, size: number, token: string | undefined): Input<O> {
  const whole = Object.keys(input).some(member => member.endsWith('Ids'))
  return { ...input, ...(whole ? {} : { MaxResults: size }), ...(token === undefined ? {} : { NextToken: token }) }
}

function next(answer: unknown): string | undefined {
  const token = (answer as { NextToken?: string }).NextToken
  return token === '' ? undefined : token
}

// pages yields the answers of a list, one after the other.
export async function* pages<O extends Paginated>(operation: O, input: Input<O>, signal?: AbortSignal): AsyncGenerator<Output<O>> {
  let token: string | undefined
  do {
    const answer = await call(operation, page(input, 1000, token), { signal })
    yield answer
    token = next(answer)
  } while (token !== undefined)
}

// collect reads a list up to limit rows. more reports whether there are further ones.
export async function collect<O extends Paginated, Row>(
  operation: O,
  input: Input<O>,
  rowsOf: (answer: Output<O>) => Row[] | undefined,
  { limit = most, signal, progress }: { limit?: number; signal?: AbortSignal; progress?: (n: number) => void } = {},
): Promise<{ rows: Row[]; more: boolean }> {
  const rows: Row[] = []
  for await (const answer of pages(operation, input, signal)) {
    rows.push(...(rowsOf(answer) ?? []))
    progress?.(rows.length)
    if (rows.length >= limit) return { rows: rows.slice(0, limit), more: rows.length > limit || next(answer) !== undefined }
  }
  return { rows, more: false }
}

export interface Rows<Row> {
  rows: Row[]
  more: boolean // the API has further rows
  loading: boolean // the rows that are wanted are not all there yet
  error: unknown
  refresh: () => void
  updatedAt: number
}

// useRows reads a list until it has the wanted number of rows. The API may answer short or
// empty pages: the rows count, not the pages.
export function useRows<O extends Paginated, Row>(
  operation: O,
  input: Input<O>,
  rowsOf: (answer: Output<O>) => Row[] | undefined,
  { want = chunk, enabled = true }: { want?: number; enabled?: boolean } = {},
): Rows<Row> {
  const query = useInfiniteQuery({
    queryKey: [operation, input, 'pages'],
    queryFn: ({ pageParam, signal }) => call(operation, page(input, chunkOf(operation, pageParam), pageParam), { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: answer => next(answer),
    enabled,
  })
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = query
  const rows = useMemo(() => (data?.pages ?? []).flatMap(answer => rowsOf(answer) ?? []), [data, rowsOf])
  const short = enabled && hasNextPage && rows.length < want
  useEffect(() => {
    if (short && !isFetching && !isError) void fetchNextPage()
  }, [short, isFetching, isError, fetchNextPage])
  return {
    rows,
    more: hasNextPage,
    loading: enabled && !isError && (query.isPending || short),
    error: query.error,
    refresh: () => void query.refetch(),
    updatedAt: query.dataUpdatedAt,
  }
}

// large are the operations whose pages have 1000 rows at least, as those of EC2.
const large: ReadonlySet<Paginated> = new Set(['DescribeIpamPoolAllocations', 'GetIpamPoolAllocations'])

// The first page is small, so that it is there at once; the further ones are large.
function chunkOf(operation: Paginated, token: string | undefined): number {
  return token === undefined && !large.has(operation) ? chunk : 1000
}

// escape returns a filter's value without wildcards.
export function escape(value: string): string {
  return value.replace(/[\\*?]/g, '\\$&')
}
