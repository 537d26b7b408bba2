import { useFormat } from '../format'
import { catalogue, useText } from '../text'
import { type Forecast } from '../api/shapes'
import './usage.css'

const texts = catalogue({
  en: {
    allocated: (percent: string) => `${percent} allocated`,
    forecast: {
      exhausted: 'No space left', 'not-growing': 'Does not grow', 'not-enough-data': 'Not enough data',
      in: (ago: string, date: string) => `Full ${ago} (${date})`,
      between: (from: string, to: string) => `Between ${from} and ${to}`,
      after: (from: string) => `Not before ${from}; may never be full`,
      rate: (percent: string, days: string) => `Grows by ${percent} a day, from ${days} days of data`,
    },
  },
  ja: {
    allocated: percent => `${percent} 割り振り済み`,
    forecast: {
      exhausted: '空きなし', 'not-growing': '増加なし', 'not-enough-data': 'データ不足',
      in: (ago, date) => `${ago}に枯渇 (${date})`,
      between: (from, to) => `${from} から ${to} の間`,
      after: from => `${from} 以降。枯渇しない可能性もあります`,
      rate: (percent, days) => `1 日あたり ${percent} 増加 (${days} 日分のデータから予測)`,
    },
  },
})

// takenOf returns the share of a pool that is not free: that of the pools below it, and that of
// resources and custom allocations.
export function takenOf(use: { PercentAllocated?: number; PercentAssigned?: number } | undefined): number | undefined {
  if (use?.PercentAllocated === undefined && use?.PercentAssigned === undefined) return undefined
  return (use.PercentAllocated ?? 0) + (use.PercentAssigned ?? 0)
}

// Usage shows the share of a pool that is allocated. It warns from 80 % and alarms from 95 %.
export function Usage({ percent, label }: { percent: number | undefined; label: string }) {
  const t = useText(texts)
  const f = useFormat()
  if (percent === undefined) return <>–</>
  const level = percent >= 95 ? 'full' : percent >= 80 ? 'high' : 'normal'
  return (
    <div className={`usage usage-${level}`}>
      <span role="meter" aria-label={`${label}: ${t.allocated(f.percent(percent))}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(percent)} className="usage-bar">
        <span className="usage-fill" style={{ inlineSize: `${Math.min(100, Math.max(percent, percent > 0 ? 1 : 0))}%` }} />
      </span>
      <span className="usage-text">{f.percent(percent)}</span>
    </div>
  )
}

// useForecastText returns a function that gives a forecast as a text.
export function useForecastText(): (forecast: Forecast | undefined) => string | undefined {
  const t = useText(texts)
  const f = useFormat()
  return forecast => {
    switch (forecast?.Outcome) {
      case undefined: return undefined
      case 'exhaustion': return forecast.Expected === undefined ? t.forecast['not-enough-data'] : t.forecast.in(f.ago(forecast.Expected), f.date(forecast.Expected))
      case 'exhausted': return t.forecast.exhausted
      case 'not-growing': return t.forecast['not-growing']
      case 'not-enough-data': return t.forecast['not-enough-data']
    }
  }
}

// useForecastDetail returns the uncertainty of a forecast and the days of its samples.
export function useForecastDetail(): (forecast: Forecast | undefined) => string[] {
  const t = useText(texts)
  const f = useFormat()
  return forecast => {
    const lines: string[] = []
    if (forecast?.Outcome === 'exhaustion' && forecast.Earliest !== undefined) {
      lines.push(forecast.Latest === undefined ? t.forecast.after(f.date(forecast.Earliest)) : t.forecast.between(f.date(forecast.Earliest), f.date(forecast.Latest)))
    }
    if (forecast?.PercentPerDay !== undefined && forecast.BasedOnDays !== undefined) lines.push(t.forecast.rate(`${f.number(forecast.PercentPerDay, 2)}%`, f.number(forecast.BasedOnDays)))
    return lines
  }
}

