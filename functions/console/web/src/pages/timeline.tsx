// The records of a CIDR's history as bars over time: a row a resource.
import { useFormat } from '../format'
import { type HistoryRecord } from '../data'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'
import './timeline.css'

const texts = catalogue({
  en: { now: 'now', bar: (id: string, from: string, to: string, status: string) => `${id}: ${from} to ${to}${status}` },
  ja: { now: '現在', bar: (id, from, to, status) => `${id}: ${from} から ${to} まで${status}` },
})

export interface Bar { record: HistoryRecord; from: number; to: number }

// barsOf returns the bars of each resource, from 0 to 1 of the time between the first start
// and now.
export function barsOf(records: readonly HistoryRecord[], now: number): { first: number; rows: { id: string; name: string | undefined; bars: Bar[] }[] } {
  const starts = records.flatMap(r => (r.SampledStartTime === undefined ? [] : [Date.parse(r.SampledStartTime)]))
  const first = Math.min(now, ...starts)
  const span = Math.max(now - first, 1)
  const rows = new Map<string, { id: string; name: string | undefined; bars: Bar[] }>()
  for (const record of records) {
    const id = record.ResourceId ?? ''
    const row = rows.get(id) ?? { id, name: record.ResourceName, bars: [] }
    const from = record.SampledStartTime === undefined ? first : Date.parse(record.SampledStartTime)
    const to = record.SampledEndTime === undefined ? now : Date.parse(record.SampledEndTime)
    row.bars.push({ record, from: (from - first) / span, to: (Math.min(to, now) - first) / span })
    rows.set(id, row)
  }
  return { first, rows: [...rows.values()].sort((a, b) => Math.min(...a.bars.map(r => r.from)) - Math.min(...b.bars.map(r => r.from))) }
}

export function Timeline({ records }: { records: readonly HistoryRecord[] }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const now = Date.now()
  const { first, rows } = barsOf(records, now)
  const names = c.status as Record<string, string>
  const status = (r: HistoryRecord) => [r.ResourceComplianceStatus, r.ResourceOverlapStatus].flatMap(s => (s === undefined ? [] : [names[s] ?? s])).join(', ')
  return (
    <div className="timeline">
      {rows.slice(0, 30).map(row => (
        <div key={row.id} className="timeline-row">
          <span className="timeline-name" title={row.id}>{row.name === undefined || row.name === '' ? row.id : row.name}</span>
          <span className="timeline-track">
            {row.bars.map(({ record: r, from, to }) => {
              const text = t.bar(row.id, f.time(r.SampledStartTime ?? new Date(first)), r.SampledEndTime === undefined ? t.now : f.time(r.SampledEndTime), status(r) === '' ? '' : ` (${status(r)})`)
              const look = r.ResourceOverlapStatus === 'overlapping' ? 'overlapping' : (r.ResourceComplianceStatus ?? 'unmanaged')
              return <span key={`${from} ${to} ${look}`} role="img" aria-label={text} title={text} className={`timeline-bar timeline-${look}`} style={{ insetInlineStart: `${from * 100}%`, inlineSize: `max(3px, ${(to - from) * 100}%)` }} />
            })}
          </span>
        </div>
      ))}
      <div className="timeline-row timeline-axis" aria-hidden="true">
        <span className="timeline-name" />
        <span className="timeline-ends"><span>{f.date(new Date(first))}</span><span>{f.date(new Date((first + now) / 2))}</span><span>{t.now}</span></span>
      </div>
      <div className="timeline-legend">
        {(['compliant', 'noncompliant', 'overlapping', 'unmanaged', 'ignored'] as const).map(s => <span key={s}><span className={`timeline-key timeline-${s}`} aria-hidden="true" /> {c.status[s]}</span>)}
      </div>
    </div>
  )
}
