// Prints how long the map takes to its first picture, and for a frame while it is zoomed, in a real
// browser: with the tiles of a
// million allocations, and with as many blocks as an exact answer holds.
import type { Handlers } from '../mock/answer'
import { scopes } from '../mock/data'
import { mockOf } from '../mock/server'
import { formatAddress } from '../src/cidr'
import { closeBrowser, open } from '../test/browser/browser'

const million = 1_000_000
const address = (n: number, step: number) => formatAddress(4, (10n << 24n) + BigInt(n * step))

// tiles are those of 10.0.0.0/8 full of /28s, as the API cuts them: 600 at most.
const tiles = Array.from({ length: 512 }, (_, i) => ({
  Cidr: `${address(i, 32768)}/17`, Allocations: Math.round(million / 512), Resources: 900, FreeBlocks: 80, ProvisionedAddresses: 32768, AllocatedAddresses: 25000 + ((i * 977) % 6000), HeldAddresses: (i * 31) % 1500,
  FreeAddresses: 300, OverlappingAddresses: i % 9 === 0 ? 16 : 0, NoncompliantAddresses: (i * 131) % 4000, UnmanagedAddresses: (i * 31) % 1500,
}))
const blocks = Array.from({ length: 4900 }, (_, i) => ({
  Cidr: `${address(i, 16)}/28`, State: i % 7 === 0 ? 'free' as const : i % 11 === 0 ? 'held' as const : 'allocated' as const, IpamPoolId: 'ipam-pool-0', ResourceOwner: String(111122223330 + (i % 12)), Name: `network-${i}`,
}))
const answers: Record<string, Handlers> = {
  'tiles of 1,000,000 allocations': { GetIpamSpaceMap: i => ({ IpamSpaceMap: { IpamScopeId: scopes.private, AddressFamily: 'ipv4', Cidr: i.Cidr, Source: 'summary', Detail: 'tiles', AsOf: new Date().toISOString(), Tiles: tiles } }) },
  '4,900 blocks of an exact answer': { GetIpamSpaceMap: i => ({ IpamSpaceMap: { IpamScopeId: scopes.private, AddressFamily: 'ipv4', Cidr: i.Cidr, Source: 'live', Detail: 'exact', AsOf: new Date().toISOString(), Blocks: [{ Cidr: '10.0.0.0/15', State: 'pool' as const, ChildIpamPoolId: 'ipam-pool-0' }, ...blocks] } }) },
}

for (const [name, handlers] of Object.entries(answers)) {
  const viewed = await open(mockOf({ handlers }), '/map')
  const { page } = viewed
  const box = await page.locator('canvas').boundingBox()
  if (!box) throw new Error('there is no canvas')
  const first = await page.locator('canvas').evaluate(canvas => {
    const answered = performance.getEntriesByType('resource').filter(e => e.name.endsWith('/GetIpamSpaceMap')).map(e => (e as PerformanceResourceTiming).responseEnd)
    return ((canvas as unknown as { stage: { firstAt: number } }).stage.firstAt - (answered[0] ?? 0))
  })
  await page.mouse.move(box.x + box.width / 3, box.y + 60)
  await page.locator('canvas').evaluate(canvas => { (canvas as unknown as { stage: { frames: number[] } }).stage.frames.length = 0 })
  const between = page.evaluate(async () => {
    const times: number[] = []
    let last = performance.now()
    const end = last + 4000
    while (last < end) {
      const now = await new Promise<number>(requestAnimationFrame)
      times.push(now - last)
      last = now
    }
    return times.slice(1)
  })
  for (let i = 0; i < 50; i++) {
    await page.mouse.wheel(0, i % 26 < 13 ? -120 : 120)
    await page.waitForTimeout(40)
  }
  const intervals = await between
  const drawn = await page.locator('canvas').evaluate(canvas => (canvas as unknown as { stage: { frames: number[] } }).stage.frames)
  const of = (list: number[], share: number) => ([...list].sort((a, b) => a - b)[Math.floor((list.length - 1) * share)] ?? 0).toFixed(1)
  const heap = await page.evaluate(() => (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0)
  console.log(`${name}: the first picture comes ${first.toFixed(0)} ms after the answer; ${(heap / 1e6).toFixed(0)} MB of memory; a frame is drawn in ${of(drawn, 0.5)} ms (median), ${of(drawn, 0.95)} ms (95 %); ${of(intervals, 0.5)} ms from frame to frame (median), ${of(intervals, 0.95)} ms (95 %)`)
  await viewed.close()
}
await closeBrowser()
