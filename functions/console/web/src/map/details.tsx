// The details of the block under the pointer or the keyboard's focus.
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { Fragment, type ReactNode } from 'react'
import { useNavigate } from 'react-router'
import { type SpaceResource } from '../api/shapes'
import { formatCidr, size } from '../cidr'
import { usePoolNames, type Pool } from '../data'
import { useFormat } from '../format'
import { Account, HistoryLink, Id, PoolLink, Region, Status, Time, useTypeName } from '../parts/cells'
import { query, To } from '../parts/link'
import { common } from '../parts/text'
import { useText } from '../text'
import { allocateAt, holeOf, suggested } from './allocate'
import { type Hit } from './hit'
import { type Cell, type Item } from './model'
import { useNames } from './names'
import { texts } from './text'

const most = 5 // resources of a block that are listed

export function Details({ hit, cell, scope, pools, mayAllocate, past, onZoom }: { hit: Hit | undefined; cell: Cell | undefined; scope: string | undefined; pools: readonly Pool[] | undefined; mayAllocate: boolean; past: boolean; onZoom: (cell: Cell) => void }) {
  const t = useText(texts)
  const f = useFormat()
  if (hit && hit.count > 1) return <Box color="text-body-secondary">{t.several(f.number(hit.count))}</Box>
  const shown = hit?.cell ?? cell
  if (!shown) return <Box color="text-body-secondary">{t.none}</Box>
  return <About cell={shown} scope={scope} pools={pools} mayAllocate={mayAllocate} past={past} onZoom={onZoom} />
}

function About({ cell, scope, pools, mayAllocate, past, onZoom }: { cell: Cell; scope: string | undefined; pools: readonly Pool[] | undefined; mayAllocate: boolean; past: boolean; onZoom: (cell: Cell) => void }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const navigate = useNavigate()
  const pool = holeOf(cell)
  return (
    <SpaceBetween size="s">
      <div>
        <Box variant="h3" tagOverride="h2">{cell.text}</Box>
        <Box color="text-body-secondary">{c.hosts(f.addresses(size(cell.cidr)))}</Box>
      </div>
      {cell.items.map((item, i) => <Fragment key={i}>{i > 0 ? <hr /> : null}<Block item={item} scope={scope} /></Fragment>)}
      <SpaceBetween direction="horizontal" size="xs">
        {pool !== undefined && mayAllocate ? <Button variant="primary" onClick={() => void navigate(allocateAt(pool, suggested(cell.cidr, pools?.find(p => p.IpamPoolId === pool))))}>{t.allocate}</Button> : null}
        <Button iconName="zoom-in" onClick={() => onZoom(cell)}>{t.zoomHere}</Button>
      </SpaceBetween>
      {pool !== undefined && !mayAllocate && !past ? <Box variant="small" color="text-body-secondary">{t.readOnly}</Box> : null}
    </SpaceBetween>
  )
}

function Block({ item, scope }: { item: Item; scope: string | undefined }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const names = useNames()
  const poolName = usePoolNames()
  const { block, tile, resources } = item
  const rows: [string, ReactNode][] = []
  const add = (label: string, value: ReactNode, there: string | number | undefined) => { if (there !== undefined && there !== '' && there !== 0) rows.push([label, value]) }
  if (item.kind === 'pool') add(t.pool, <PoolLink id={block?.ChildIpamPoolId} name={poolName(block?.ChildIpamPoolId)} />, block?.ChildIpamPoolId)
  else add(c.name, names.name(item), block?.Name ?? block?.Description)
  add(t.inPool, <PoolLink id={block?.IpamPoolId ?? tile?.IpamPoolId} name={poolName(block?.IpamPoolId ?? tile?.IpamPoolId)} />, block?.IpamPoolId ?? tile?.IpamPoolId)
  if (item.kind !== 'pool' && resources.length === 0) add(c.resource, <Id id={block?.ResourceId} />, block?.ResourceId)
  if (resources.length === 0) {
    add(c.account, <Account id={block?.ResourceOwner} />, block?.ResourceOwner)
    add(c.region, <Region name={block?.ResourceRegion} />, block?.ResourceRegion)
  }
  add(t.pending, <Time at={block?.PendingUntil} />, block?.PendingUntil)
  if (tile) {
    add(t.allocations, f.number(tile.Allocations ?? 0), tile.Allocations)
    add(t.resources, f.number(tile.Resources ?? 0), tile.Resources)
    add(t.freeBlocks, f.number(tile.FreeBlocks ?? 0), tile.FreeBlocks)
    for (const [label, n] of [[t.provisioned, tile.ProvisionedAddresses], [t.allocated, tile.AllocatedAddresses], [t.held, tile.HeldAddresses], [t.free, tile.FreeAddresses], [c.status.overlapping, tile.OverlappingAddresses], [t.noncompliant, tile.NoncompliantAddresses], [t.unmanaged, tile.UnmanagedAddresses]] as const) add(label, c.hosts(f.addresses(n ?? 0)), n)
  }
  return (
    <SpaceBetween size="xs">
      <Box variant="awsui-key-label">{names.kind(item)}</Box>
      <dl>{rows.map(([label, value]) => <Fragment key={label}><dt>{label}</dt><dd>{value}</dd></Fragment>)}</dl>
      {resources.slice(0, most).map((r, i) => <LiveResource key={i} resource={r} scope={scope} />)}
      {resources.length > most ? <Box variant="small">{t.moreResources(f.number(resources.length - most))}</Box> : null}
      {resources.length > 0 ? <HistoryLink cidr={formatCidr(item.cidr)} scope={scope}>{c.history}</HistoryLink> : null}
    </SpaceBetween>
  )
}

function LiveResource({ resource: r, scope }: { resource: SpaceResource; scope: string | undefined }) {
  const t = useText(texts)
  const c = useText(common)
  const typeName = useTypeName()
  return (
    <dl>
      <dt>{typeName(r.ResourceType)}</dt><dd><To href={query('/resources', { scope, 'resource-id': r.ResourceId })}>{r.ResourceId}</To></dd>
      {r.ResourceName === undefined || r.ResourceName === '' ? null : <><dt>{c.name}</dt><dd>{r.ResourceName}</dd></>}
      <dt>{c.account}</dt><dd><Account id={r.ResourceOwnerId} /></dd>
      <dt>{c.region}</dt><dd><Region name={r.ResourceRegion} /></dd>
      {r.ComplianceStatus === undefined ? null : <><dt>{c.compliance}</dt><dd><Status status={r.ComplianceStatus} /></dd></>}
      {r.OverlapStatus === undefined ? null : <><dt>{c.overlap}</dt><dd><Status status={r.OverlapStatus} /></dd></>}
      {r.OverlapsWith === undefined ? null : <><dt>{t.overlapsWith}</dt><dd>{r.OverlapsWith}</dd></>}
      {r.Since === undefined ? null : <><dt>{c.since}</dt><dd><Time at={r.Since} /></dd></>}
    </dl>
  )
}
