// Cells of lists and details: CIDRs, ids, accounts, Regions, times, statuses.
import Box from '@cloudscape-design/components/box'
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard'
import StatusIndicator, { type StatusIndicatorProps } from '@cloudscape-design/components/status-indicator'
import { type ReactNode } from 'react'
import { parseCidr, size } from '../cidr'
import { formatUTC, useFormat } from '../format'
import { useText } from '../text'
import { query, To } from './link'
import { common } from './text'

export function None() {
  return <Box variant="span" color="text-status-inactive">–</Box>
}

// CidrLink shows a CIDR as a link to its place on the map. The title shows its size.
export function CidrLink({ cidr, scope, pool }: { cidr: string | undefined; scope?: string | undefined; pool?: string | undefined }) {
  const t = useText(common)
  const f = useFormat()
  if (cidr === undefined) return <None />
  const parsed = parseCidr(cidr)
  return (
    <span className="nowrap" title={parsed ? t.hosts(f.addresses(size(parsed))) : undefined}>
      <To href={query('/map', { scope: pool === undefined ? scope : undefined, pool, cidr })}>{cidr}</To>
    </span>
  )
}

// HistoryLink shows a CIDR or address as a link to its history.
export function HistoryLink({ cidr, scope, children }: { cidr: string | undefined; scope?: string | undefined; children?: ReactNode }) {
  if (cidr === undefined) return <None />
  return <span className="nowrap"><To href={query('/history', { cidr, scope })}>{children ?? cidr}</To></span>
}

export function PoolLink({ id, name }: { id: string | undefined; name?: string | undefined }) {
  if (id === undefined) return <None />
  return <To href={`/pools/${encodeURIComponent(id)}`}>{name ?? id}</To>
}

// Id shows an id with a button that copies it.
export function Id({ id }: { id: string | undefined }) {
  const t = useText(common)
  if (id === undefined || id === '') return <None />
  return <CopyToClipboard variant="inline" textToCopy={id} copyButtonAriaLabel={t.copy(id)} copySuccessText={t.copied} copyErrorText={t.copyFailed} />
}

// Account links an account to its resources.
export function Account({ id }: { id: string | undefined }) {
  if (id === undefined) return <None />
  return <span className="nowrap"><To href={query('/search', { q: id })}>{id}</To></span>
}

export function Region({ name }: { name: string | undefined }) {
  return name === undefined || name === '' || name === 'None' ? <None /> : <span className="nowrap">{name}</span>
}

// Time shows a time in the viewer's zone. Its title is the time in UTC.
export function Time({ at, ago = false }: { at: string | undefined; ago?: boolean }) {
  const f = useFormat()
  if (at === undefined) return <None />
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return <>{at}</>
  const utc = formatUTC(date)
  return <time dateTime={utc} title={ago ? `${f.time(date)} · ${utc}` : utc} className="nowrap">{ago ? f.ago(date) : f.time(date)}</time>
}

export function Text({ text }: { text: string | undefined }) {
  return text === undefined || text === '' ? <None /> : <span className="break">{text}</span>
}

type Tag = { Key?: string | undefined; Value?: string | undefined }

export function nameOf(tags: readonly Tag[] | undefined): string | undefined {
  const value = tags?.find(t => t.Key === 'Name')?.Value
  return value === '' ? undefined : value
}

const statuses: Record<string, StatusIndicatorProps.Type> = {
  compliant: 'success', noncompliant: 'warning', unmanaged: 'stopped', ignored: 'stopped', managed: 'success', overlapping: 'error', nonoverlapping: 'success',
}

// Status shows a compliance, overlap or management status.
export function Status({ status }: { status: string | undefined }) {
  const t = useText(common)
  if (status === undefined || status === '') return <None />
  return <StatusIndicator type={statuses[status] ?? 'info'}>{(t.status as Record<string, string>)[status] ?? status}</StatusIndicator>
}

// stateType returns how a state of EC2 is shown: create-complete, provisioned, failed-import.
export function stateType(state: string): StatusIndicatorProps.Type {
  if (state.includes('fail')) return 'error'
  if (state.endsWith('-in-progress') || state.startsWith('pending')) return 'in-progress'
  if (state.endsWith('-complete') || state === 'provisioned' || state === 'available') return 'success'
  if (state === 'deprovisioned') return 'stopped'
  return 'info'
}

// State shows a state as the API names it.
export function State({ state, message }: { state: string | undefined; message?: string | undefined }) {
  if (state === undefined) return <None />
  return (
    <span title={message}>
      <StatusIndicator type={stateType(state)}>{state}</StatusIndicator>
    </span>
  )
}

export function useTypeName(): (type: string | undefined) => string {
  const t = useText(common)
  return type => (type === undefined ? '' : ((t.type as Record<string, string>)[type] ?? type))
}
