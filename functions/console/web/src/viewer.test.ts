import { expect, test } from 'vitest'
import { formatAddresses, formatAgo, formatPercent, formatTime, formatUTC } from './format'
import { preferred } from './viewer'

test.each([[['ja-JP', 'en'], 'ja'], [['fr-FR', 'ja'], 'ja'], [['de'], 'en'], [[], 'en'], [['en-US', 'ja'], 'en'], [['JA'], 'ja']] as const)('a browser with %j gets %s', (languages, want) => expect(preferred(languages)).toBe(want))

test('counts of addresses', () => {
  expect(formatAddresses(65536, 'en')).toBe('65,536')
  expect(formatAddresses(1n << 88n, 'en')).toBe('2^88')
  expect(formatAddresses(1.5 * 2 ** 88, 'en')).toBe('≈ 2^88.6')
})

test('small shares keep a digit', () => {
  expect([0, 0.13, 9.96, 10, 99.6].map(p => formatPercent(p, 'en'))).toEqual(['0%', '0.1%', '10%', '10%', '100%'])
})

test('times', () => {
  const at = new Date('2026-11-30T15:04:05Z')
  expect(formatTime(at, 'en', 'utc')).toBe('30 Nov 2026, 15:04:05 UTC')
  expect(formatTime(at, 'ja', 'utc')).toContain('2026/11/30 15:04:05')
  expect(formatUTC(at)).toBe('2026-11-30T15:04:05Z')
  expect(formatUTC(new Date('2026-11-30T15:04:05.123Z'))).toBe('2026-11-30T15:04:05.123Z')
  expect(formatAgo(new Date('2026-11-27T15:04:05Z'), at, 'en')).toBe('3 days ago')
  expect(formatAgo(new Date('2026-12-26T15:04:05Z'), at, 'ja')).toBe('26 日後')
  expect(formatAgo(at, at, 'en')).toBe('now')
})
