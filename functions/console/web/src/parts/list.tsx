// The list of all pages: filters, sorting, columns to choose, pages, CSV. See README.md.
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import CollectionPreferences, { type CollectionPreferencesProps } from '@cloudscape-design/components/collection-preferences'
import Header from '@cloudscape-design/components/header'
import Pagination from '@cloudscape-design/components/pagination'
import PropertyFilter, { type PropertyFilterProps } from '@cloudscape-design/components/property-filter'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import Table, { type TableProps } from '@cloudscape-design/components/table'
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import { APIError, type Input, type Output } from '../api/call'
import { collect, escape, most, useRows, type Filter, type Paginated } from '../api/paging'
import { compareCidrs } from '../cidr'
import { useFormat } from '../format'
import { useText } from '../text'
import { csv, download } from './csv'
import { Failure } from './error'
import { common } from './text'

export interface Column<Row> {
  id: string
  header: string
  text: (row: Row) => string | undefined // for CSV, order and search
  cell?: (row: Row) => ReactNode // text, if there is none
  number?: (row: Row) => number | undefined // orders by number
  cidr?: boolean // orders as CIDRs
  filter?: string // the API's name of the filter, as compliance-status
  options?: readonly { value: string; label: string }[] // all values that the filter can have
  hidden?: boolean // is not shown until it is chosen
  width?: number
}

// Source is a list of the API, or rows that are there.
export type Source<Row> =
  | { operation: Paginated; input: object; rowsOf: (answer: never) => Row[] | undefined; enabled: boolean; filters: boolean }
  | { rows: readonly Row[]; loading?: boolean; error?: unknown; refresh?: () => void }

// listOf is the source of a list of the API. rowsOf must be the same function each time.
export function listOf<O extends Paginated, Row>(
  operation: O,
  input: Input<O>,
  rowsOf: (answer: Output<O>) => Row[] | undefined,
  { enabled = true, filters = true }: { enabled?: boolean; filters?: boolean } = {},
): Source<Row> {
  return { operation, input, rowsOf: rowsOf, enabled, filters }
}

interface Preferences {
  pageSize: number
  wrapLines: boolean
  display: readonly { id: string; visible: boolean }[]
}

interface Props<Row> {
  id: string // of the preferences
  title: string
  source: Source<Row>
  columns: readonly Column<Row>[]
  rowId: (row: Row) => string
  description?: ReactNode
  // actions stand beside the heading. A function gets the selected rows.
  actions?: ReactNode | ((selected: readonly Row[], refresh: () => void) => ReactNode)
  selection?: 'single' | 'multi'
  // local keeps the filters out of the address, for a second list of a page.
  local?: boolean
  empty?: ReactNode
  // preface stands before the filters: the choice of a scope, say.
  preface?: ReactNode
  variant?: TableProps.Variant
  headingTag?: 'h1' | 'h2' | 'h3'
  // pending reports whether a row changes by itself: the list is then read again after some seconds.
  pending?: (row: Row) => boolean
  // wrap shows whole texts until the viewer chooses otherwise.
  wrap?: boolean
}

type Token = PropertyFilterProps.Token

const pageSizes = [20, 50, 100, 200]

export function List<Row>({ id, title, source, columns, rowId, description, actions, selection, local = false, empty, preface, variant = 'container', headingTag = 'h2', wrap = false, pending }: Props<Row>) {
  const t = useText(common)
  const f = useFormat()
  const api = 'operation' in source ? source : undefined
  const [preferences, setPreferences] = usePreferences(id, columns, wrap)
  const [tokens, setTokens] = useTokens(columns, local)
  const [sorting, setSorting] = useState<{ id: string; descending: boolean }>()
  const [page, setPage] = useState(1)
  const [selected, setSelected] = useState<readonly string[]>([])

  const filters = useMemo(() => (api?.filters === true ? filtersOf(tokens) : []), [api?.filters, tokens])
  // The page itself filters by the properties that the API has no filter for.
  const here = useMemo(() => tokens.filter(token => token.propertyKey === undefined || api?.filters !== true), [tokens, api?.filters])
  const whole = sorting !== undefined || here.length > 0
  const input = useMemo(() => ({ ...(api?.input ?? {}), ...(filters.length > 0 ? { Filters: filters } : {}) }), [api?.input, filters])
  const read = useRows<Paginated, Row>(
    api?.operation ?? 'DescribeIpamPools',
    input,
    (api?.rowsOf ?? nothing) as (answer: unknown) => Row[] | undefined,
    { want: whole ? most : page * preferences.pageSize + 1, enabled: api?.enabled ?? false },
  )
  const given = 'operation' in source ? undefined : source
  const rows: readonly Row[] = given?.rows ?? read.rows
  const loading = given ? (given.loading ?? false) : read.loading || api?.enabled === false
  const error = given ? given.error : read.error
  const refresh = given?.refresh ?? read.refresh

  const wait = pending !== undefined && rows.some(pending)
  const again = useRef(refresh)
  useEffect(() => {
    again.current = refresh
  })
  useEffect(() => {
    if (!wait) return
    const timer = setInterval(() => again.current(), 3000)
    return () => clearInterval(timer)
  }, [wait])

  const shown = useMemo(() => {
    const admitted = here.length === 0 ? rows : rows.filter(row => admits(row, here, columns))
    const column = columns.find(c => c.id === sorting?.id)
    if (!column || !sorting) return admitted
    const sign = sorting.descending ? -1 : 1
    return [...admitted].sort((a, b) => sign * compare(column, a, b))
  }, [rows, here, columns, sorting])

  const more = read.more && api !== undefined
  const pageCount = Math.max(1, Math.ceil(shown.length / preferences.pageSize))
  const at = Math.min(page, pageCount)
  const items = shown.slice((at - 1) * preferences.pageSize, at * preferences.pageSize)
  const chosen = useMemo(() => rows.filter(row => selected.includes(rowId(row))), [rows, selected, rowId])
  const first = loading && rows.length === 0

  const change = (next: readonly Token[]) => {
    setTokens(next)
    setPage(1)
  }
  return (
    <SpaceBetween size="s">
      {error !== null && error !== undefined ? <Failure error={error} retry={refresh} /> : null}
      <Table<Row>
        variant={variant}
        trackBy={row => rowId(row)}
        items={items}
        loading={first}
        loadingText={t.loading}
        stickyHeader
        resizableColumns
        wrapLines={preferences.wrapLines}
        {...(selection ? { selectionType: selection, selectedItems: chosen, onSelectionChange: e => setSelected(e.detail.selectedItems.map(rowId)) } : {})}
        columnDefinitions={columns.map((c, i) => ({
          id: c.id,
          header: c.header,
          cell: row => (c.cell ? c.cell(row) : (c.text(row) ?? t.none)),
          sortingField: c.id,
          isRowHeader: i === 0,
          width: c.width,
          minWidth: 90,
        }))}
        columnDisplay={preferences.display}
        {...(sorting ? { sortingColumn: { sortingField: sorting.id }, sortingDescending: sorting.descending } : {})}
        onSortingChange={e => {
          setSorting({ id: e.detail.sortingColumn.sortingField ?? '', descending: e.detail.isDescending ?? false })
          setPage(1)
        }}
        enableKeyboardNavigation
        ariaLabels={{ tableLabel: title, itemSelectionLabel: (_, row) => rowId(row), selectionGroupLabel: title, allItemsSelectionLabel: () => title }}
        header={
          <Header
            variant={headingTag}
            counter={first ? '' : `(${f.number(shown.length)}${more ? '+' : ''})`}
            description={description}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel={t.refresh} onClick={refresh} loading={loading && !first} />
                <Csv id={id} title={title} source={source} input={input} rows={shown} columns={columns} here={here} />
                {typeof actions === 'function' ? actions(chosen, refresh) : actions}
              </SpaceBetween>
            }
          >
            {title}
          </Header>
        }
        filter={
          <SpaceBetween size="xs">
            {preface}
            <PropertyFilter
              query={{ tokens, operation: 'and' }}
              onChange={e => change(e.detail.tokens)}
              hideOperations
              filteringPlaceholder={t.list.filter}
              filteringAriaLabel={`${t.list.filter}: ${title}`}
              countText={tokens.length > 0 && !loading ? t.list.matches(f.number(shown.length) + (more ? '+' : '')) : ''}
              filteringProperties={columns.flatMap(c => (c.filter === undefined ? [] : [{
                key: c.filter, propertyLabel: c.header, groupValuesLabel: c.header, operators: c.options ? ['='] : ['=', ':'],
              }]))}
              filteringOptions={useOptions(columns, rows)}
              freeTextFiltering={{ operators: [':'], defaultOperator: ':' }}
            />
            {whole && more ? <StatusIndicator type="warning">{t.list.cut(f.number(rows.length))}</StatusIndicator> : null}
          </SpaceBetween>
        }
        pagination={
          <Pagination
            currentPageIndex={at}
            pagesCount={pageCount}
            openEnd={more && !whole}
            onChange={e => setPage(e.detail.currentPageIndex)}
            // The next page is asked for when the last one that is there is left.
            onNextPageClick={e => setPage(e.detail.requestedPageIndex)}
          />
        }
        preferences={
          <CollectionPreferences
            title={t.list.preferences}
            confirmLabel={t.list.confirm}
            cancelLabel={t.list.cancel}
            preferences={{ pageSize: preferences.pageSize, wrapLines: preferences.wrapLines, contentDisplay: preferences.display }}
            onConfirm={e => setPreferences(e.detail)}
            pageSizePreference={{ title: t.list.pageSize, options: pageSizes.map(value => ({ value, label: t.list.rows(value) })) }}
            wrapLinesPreference={{ label: t.list.wrap, description: t.list.wrapHelp }}
            contentDisplayPreference={{
              title: t.list.columns, description: t.list.columnsHelp,
              options: columns.map((c, i) => ({ id: c.id, label: c.header, alwaysVisible: i === 0 })),
            }}
          />
        }
        empty={
          <Box textAlign="center" color="inherit" padding="s">
            <SpaceBetween size="xs">
              {error !== null && error !== undefined ? t.none : tokens.length > 0 ? t.list.noMatch : (empty ?? t.list.empty)}
              {tokens.length > 0 ? <Button onClick={() => change([])}>{t.list.clear}</Button> : null}
            </SpaceBetween>
          </Box>
        }
      />
    </SpaceBetween>
  )
}

function nothing(): undefined {
  return undefined
}

function compare<Row>(column: Column<Row>, a: Row, b: Row): number {
  if (column.number) return (column.number(a) ?? -Infinity) - (column.number(b) ?? -Infinity) || 0
  const x = column.text(a) ?? ''
  const y = column.text(b) ?? ''
  return column.cidr === true ? compareCidrs(x, y) : x.localeCompare(y, undefined, { numeric: true })
}

// admits reports whether a row passes the tokens: one of each property's, and all texts.
export function admits<Row>(row: Row, tokens: readonly Token[], columns: readonly Column<Row>[]): boolean {
  const byProperty = new Map<string, Token[]>()
  for (const token of tokens) {
    if (token.propertyKey === undefined) {
      const text = String(token.value).toLowerCase()
      if (!columns.some(c => (c.text(row) ?? '').toLowerCase().includes(text))) return false
    } else byProperty.set(token.propertyKey, [...(byProperty.get(token.propertyKey) ?? []), token])
  }
  for (const [key, alternatives] of byProperty) {
    const text = columns.find(c => c.filter === key)?.text(row) ?? ''
    if (!alternatives.some(a => (a.operator === ':' ? text.toLowerCase().includes(String(a.value).toLowerCase()) : text === a.value))) return false
  }
  return true
}

// filtersOf returns the API's filters: values of one name are alternatives.
export function filtersOf(tokens: readonly Token[]): Filter[] {
  const filters = new Map<string, string[]>()
  for (const { propertyKey, operator, value } of tokens) {
    if (propertyKey === undefined) continue
    const pattern = operator === ':' ? `*${escape(String(value))}*` : escape(String(value))
    filters.set(propertyKey, [...(filters.get(propertyKey) ?? []), pattern])
  }
  return [...filters].map(([Name, Values]) => ({ Name, Values }))
}

// useTokens keeps the tokens in the address, so that a link can hold filters:
// ?compliance-status=noncompliant, ?resource-name=~web (contains), ?text=web (anywhere).
function useTokens<Row>(columns: readonly Column<Row>[], local: boolean): [readonly Token[], (tokens: readonly Token[]) => void] {
  const [search, setSearch] = useSearchParams()
  const [own, setOwn] = useState<readonly Token[]>([])
  const names = columns.flatMap(c => (c.filter === undefined ? [] : [c.filter])).join(' ')
  const text = search.toString()
  const linked = useMemo(() => {
    const tokens: Token[] = []
    for (const [key, value] of new URLSearchParams(text)) {
      if (key === 'text') tokens.push({ operator: ':', value })
      else if (names.split(' ').includes(key)) tokens.push(value.startsWith('~') ? { propertyKey: key, operator: ':', value: value.slice(1) } : { propertyKey: key, operator: '=', value })
    }
    return tokens
  }, [text, names])
  if (local) return [own, setOwn]
  return [
    linked,
    tokens => {
      const next = new URLSearchParams(search)
      for (const name of ['text', ...names.split(' ')]) next.delete(name)
      for (const token of tokens) {
        const value = String(token.value)
        next.append(token.propertyKey ?? 'text', token.propertyKey !== undefined && token.operator === ':' ? `~${value}` : value)
      }
      setSearch(next, { replace: true })
    },
  ]
}

function useOptions<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): PropertyFilterProps.FilteringOption[] {
  return useMemo(() => columns.flatMap(c => {
    const key = c.filter
    if (key === undefined) return []
    if (c.options) return c.options.map(o => ({ propertyKey: key, value: o.value, label: o.label }))
    const values = new Set<string>()
    for (const row of rows) {
      const value = c.text(row)
      if (value !== undefined && value !== '') values.add(value)
      if (values.size === 100) break
    }
    return [...values].sort().map(value => ({ propertyKey: key, value }))
  }), [columns, rows])
}

function usePreferences<Row>(id: string, columns: readonly Column<Row>[], wrap: boolean): [Preferences, (p: CollectionPreferencesProps.Preferences) => void] {
  const key = `cadastre.list.${id}`
  const [saved, setSaved] = useState<Partial<Preferences>>(() => {
    try {
      const value = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Preferences>
      return Array.isArray(value.display) ? value : {}
    } catch {
      return {}
    }
  })
  const known = (saved.display ?? []).filter(d => columns.some(c => c.id === d.id))
  const display = [...known, ...columns.filter(c => !known.some(d => d.id === c.id)).map(c => ({ id: c.id, visible: c.hidden !== true }))]
  return [
    { pageSize: pageSizes.includes(saved.pageSize ?? 0) ? (saved.pageSize ?? 50) : 50, wrapLines: saved.wrapLines ?? wrap, display },
    p => {
      const next = { pageSize: p.pageSize ?? 50, wrapLines: p.wrapLines ?? false, display: p.contentDisplay ?? display }
      setSaved(next)
      try {
        localStorage.setItem(key, JSON.stringify(next))
      } catch {
        // The choice then lasts until the page is closed.
      }
    },
  ]
}

// csvRows is the number of rows of a CSV file: more would need too much of the browser's memory.
const csvRows = 200_000

function Csv<Row>({ id, title, source, input, rows, columns, here }: { id: string; title: string; source: Source<Row>; input: object; rows: readonly Row[]; columns: readonly Column<Row>[]; here: readonly Token[] }) {
  const t = useText(common)
  const f = useFormat()
  const [progress, setProgress] = useState<number>()
  const [note, setNote] = useState<ReactNode>()
  const running = useRef<AbortController>(null)

  const save = (all: readonly Row[]) => download(`cadastre-${id}.csv`, csv(columns.map(c => c.header), all.map(row => columns.map(c => c.text(row) ?? ''))))
  const start = async () => {
    setNote(undefined)
    if (!('operation' in source)) return save(rows)
    const abort = new AbortController()
    running.current = abort
    setProgress(0)
    try {
      const all = await collect(source.operation, input, source.rowsOf as (answer: unknown) => Row[] | undefined, { limit: csvRows, signal: abort.signal, progress: setProgress })
      save(here.length === 0 ? all.rows : all.rows.filter(row => admits(row, here, columns)))
      if (all.more) setNote(<StatusIndicator type="warning">{t.list.csvCut(f.number(csvRows))}</StatusIndicator>)
    } catch (e) {
      if (!abort.signal.aborted) setNote(<StatusIndicator type="error">{e instanceof APIError ? e.message : String(e)}</StatusIndicator>)
    } finally {
      setProgress(undefined)
    }
  }
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {progress === undefined ? (
        <Button iconName="download" ariaLabel={`${t.list.csv}: ${title}`} onClick={() => void start()}>CSV</Button>
      ) : (
        <Button iconName="close" onClick={() => running.current?.abort()}>{t.list.csvProgress(f.number(progress))}</Button>
      )}
      {note}
    </SpaceBetween>
  )
}
