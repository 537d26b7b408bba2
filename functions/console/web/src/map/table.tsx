// The map as a table: the same blocks in the order of addresses.
import Box from '@cloudscape-design/components/box'
import { useMemo } from 'react'
import { contains, size, type Cidr } from '../cidr'
import { usePoolNames, type Pool } from '../data'
import { useFormat } from '../format'
import { Account, Id, None, PoolLink, Region, Status, Text, Time } from '../parts/cells'
import { To } from '../parts/link'
import { List, type Column } from '../parts/list'
import { common } from '../parts/text'
import { useText } from '../text'
import { allocateAt, holeOf, suggested } from './allocate'
import { inner, ownerOf, type Cell, type Item, type Model } from './model'
import { useNames } from './names'
import { texts } from './text'

export interface TableRow {
  cell: Cell
  item: Item
  depth: number
}

// rowsOf returns the blocks inside a CIDR, or all, each with the number of blocks around it.
export function rowsOf(model: Model, within: Cidr | undefined): TableRow[] {
  const rows: TableRow[] = []
  const depths = new Map<Cell, number>()
  for (const cell of model.cells) {
    const depth = cell.parent ? (depths.get(cell.parent) ?? 0) + cell.parent.items.length : 0
    depths.set(cell, depth)
    if (within && !contains(within, cell.cidr)) continue
    cell.items.forEach((item, i) => rows.push({ cell, item, depth: depth + i }))
  }
  const least = Math.min(...rows.map(r => r.depth))
  return rows.map(r => ({ ...r, depth: r.depth - least }))
}

export function SpaceTable({ model, within, pools, mayAllocate, zoomTo, loading, refresh }: { model: Model; within: Cidr | undefined; pools: readonly Pool[] | undefined; mayAllocate: boolean; zoomTo: (cidr: string) => string; loading: boolean; refresh: () => void }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const names = useNames()
  const poolName = usePoolNames()
  const rows = useMemo(() => rowsOf(model, within), [model, within])
  const first = (r: TableRow) => r.item.resources[0]
  const region = (r: TableRow) => first(r)?.ResourceRegion ?? r.item.block?.ResourceRegion
  const poolOf = (r: TableRow) => r.item.block?.IpamPoolId ?? r.item.tile?.IpamPoolId ?? first(r)?.IpamPoolId
  const several = (of: (r: NonNullable<ReturnType<typeof first>>) => string | undefined) => (r: TableRow) => [...new Set(r.item.resources.flatMap(x => of(x) ?? []))].join(', ')
  const statuses = (of: (r: NonNullable<ReturnType<typeof first>>) => string | undefined) => (r: TableRow) => {
    const found = [...new Set(r.item.resources.flatMap(x => of(x) ?? []))]
    return found.length === 0 ? <None /> : <>{found.map(s => <Status key={s} status={s} />)}</>
  }
  const compliance = (r: { ComplianceStatus?: string }) => r.ComplianceStatus
  const overlap = (r: { OverlapStatus?: string }) => r.OverlapStatus
  const columns: Column<TableRow>[] = [
    { id: 'cidr', header: c.cidr, text: r => r.cell.text, cidr: true, width: 230, cell: r => <Box variant="span" padding={{ left: indents[Math.min(r.depth, indents.length - 1)] ?? 'n' }}><span className="nowrap"><To href={zoomTo(r.cell.text)}>{r.cell.text}</To></span></Box> },
    { id: 'what', header: t.what, text: r => names.kind(r.item), width: 190 },
    { id: 'addresses', header: c.addresses, text: r => size(r.cell.cidr).toString(), number: r => Number(size(r.cell.cidr)), cell: r => f.addresses(size(r.cell.cidr)), width: 150 },
    { id: 'name', header: c.name, text: r => names.name(r.item), cell: r => <Text text={names.name(r.item)} />, width: 200 },
    { id: 'pool', header: t.inPool, text: r => poolName(poolOf(r)), cell: r => <PoolLink id={poolOf(r)} name={poolName(poolOf(r))} />, width: 180 },
    { id: 'resource', header: c.resource, text: r => several(x => x.ResourceId)(r) || r.item.block?.ResourceId, cell: r => <Id id={first(r)?.ResourceId ?? (r.item.kind === 'pool' ? undefined : r.item.block?.ResourceId)} />, width: 230 },
    { id: 'owner', header: c.account, text: r => ownerOf(r.item), cell: r => <Account id={ownerOf(r.item)} />, width: 150 },
    { id: 'region', header: c.region, text: region, cell: r => <Region name={region(r)} />, width: 150 },
    { id: 'compliance', header: c.compliance, text: several(compliance), cell: statuses(compliance), width: 160 },
    { id: 'overlap', header: c.overlap, text: several(overlap), cell: statuses(overlap), width: 170 },
    { id: 'since', header: c.since, text: r => first(r)?.Since, cell: r => <Time at={first(r)?.Since} ago />, width: 140 },
    { id: 'allocations', header: t.allocations, text: r => r.item.tile?.Allocations?.toString(), number: r => r.item.tile?.Allocations, hidden: !model.tiled, width: 130 },
    { id: 'free', header: t.free, text: r => r.item.tile?.FreeAddresses?.toString(), number: r => r.item.tile?.FreeAddresses, hidden: !model.tiled, width: 150 },
    {
      id: 'act', header: t.act, text: () => undefined, width: 170,
      cell: r => {
        const pool = mayAllocate && r.item === inner(r.cell) ? holeOf(r.cell) : undefined
        if (pool === undefined) return <None />
        const cidr = suggested(r.cell.cidr, pools?.find(p => p.IpamPoolId === pool))
        return <To href={allocateAt(pool, cidr)} ariaLabel={`${t.allocate}: ${r.cell.text}`}>{t.allocate}</To>
      },
    },
  ]
  return (
    <List
      local
      id="space-map"
      title={t.tableTitle}
      description={t.tableHelp}
      source={{ rows, loading, refresh }}
      columns={mayAllocate ? columns : columns.filter(col => col.id !== 'act')}
      rowId={r => `${r.cell.text} ${r.cell.items.indexOf(r.item)}`}
      empty={t.empty}
    />
  )
}

const indents = ['n', 's', 'm', 'l', 'xl', 'xxl', 'xxxl'] as const
