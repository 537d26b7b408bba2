// Times as the fields of a form: a date and a time of day in the viewer's zone.
import { type Zone } from '../viewer'

export interface Fields {
  date: string // YYYY-MM-DD
  time: string // hh:mm:ss
}

export function fieldsOf(at: Date, zone: Zone): Fields {
  // The local time, as if it was UTC.
  const shifted = zone === 'utc' ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000)
  const [date = '', time = ''] = shifted.toISOString().slice(0, 19).split('T')
  return { date, time }
}

// instantOf returns the time of fields in RFC 3339, or undefined. Parts of the time that are
// missing are 0.
export function instantOf(date: string, time: string, zone: Zone): string | undefined {
  const parts = time === '' ? [] : time.split(':')
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || parts.length > 3 || !parts.every(p => /^\d\d$/.test(p))) return undefined
  const [h = '00', m = '00', s = '00'] = parts
  const at = new Date(`${date}T${h}:${m}:${s}${zone === 'utc' ? 'Z' : ''}`)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace('.000Z', 'Z')
}

// momentOf returns the time that an address of a page names, or undefined.
export function momentOf(text: string | null): string | undefined {
  return text === null || Number.isNaN(Date.parse(text)) ? undefined : new Date(text).toISOString()
}
