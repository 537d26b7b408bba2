// Numbers, times and durations in the viewer's language and zone.
import { useViewer, type Language, type Zone } from './viewer'

const locales: Record<Language, string> = { en: 'en-GB', ja: 'ja-JP' }

export function formatNumber(n: number, language: Language, digits = 0): string {
  return new Intl.NumberFormat(locales[language], { maximumFractionDigits: digits }).format(n)
}

// formatAddresses returns a count of addresses. Above 10^15 it is a power of two: the counts
// of IPv6 are rounded.
export function formatAddresses(n: number | bigint, language: Language): string {
  if (n < 1e15) return formatNumber(Number(n), language)
  const power = Math.log2(Number(n))
  const whole = Math.round(power)
  return Math.abs(power - whole) < 1e-9 ? `2^${whole}` : `≈ 2^${power.toFixed(1)}`
}

export function formatPercent(percent: number, language: Language): string {
  const digits = percent !== 0 && Math.abs(percent) < 10 ? 1 : 0
  return `${formatNumber(percent, language, digits)}%`
}

export function formatMoney(usd: number, language: Language): string {
  return new Intl.NumberFormat(locales[language], { style: 'currency', currency: 'USD', maximumFractionDigits: usd < 10 ? 2 : 0 }).format(usd)
}

export function formatTime(at: Date, language: Language, zone: Zone): string {
  return new Intl.DateTimeFormat(locales[language], {
    year: 'numeric', month: language === 'ja' ? '2-digit' : 'short', day: '2-digit',
    hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false,
    timeZoneName: 'short', ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  }).format(at)
}

export function formatDate(at: Date, language: Language, zone: Zone): string {
  return new Intl.DateTimeFormat(locales[language], {
    year: 'numeric', month: language === 'ja' ? '2-digit' : 'short', day: '2-digit', ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  }).format(at)
}

// formatUTC is the form of RFC 3339 that can be pasted into a request.
export function formatUTC(at: Date): string {
  return at.toISOString().replace(/\.000Z$/, 'Z')
}

// formatAgo returns the distance of a time from now: "3 hours ago", "in 5 days".
export function formatAgo(at: Date, now: Date, language: Language): string {
  const seconds = (at.getTime() - now.getTime()) / 1000
  const format = new Intl.RelativeTimeFormat(locales[language], { numeric: 'auto' })
  const units: [Intl.RelativeTimeFormatUnit, number][] = [['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3600], ['minute', 60]]
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit)
  }
  return format.format(0, 'second')
}

export interface Format {
  number: (n: number, digits?: number) => string
  addresses: (n: number | bigint) => string
  percent: (n: number) => string
  money: (usd: number) => string
  time: (at: string | Date) => string
  date: (at: string | Date) => string
  ago: (at: string | Date) => string
}

export function useFormat(): Format {
  const { language, zone } = useViewer()
  const date = (at: string | Date) => (typeof at === 'string' ? new Date(at) : at)
  return {
    number: (n, digits) => formatNumber(n, language, digits),
    addresses: n => formatAddresses(n, language),
    percent: n => formatPercent(n, language),
    money: usd => formatMoney(usd, language),
    time: at => formatTime(date(at), language, zone),
    date: at => formatDate(date(at), language, zone),
    ago: at => formatAgo(date(at), new Date(), language),
  }
}
