import { describe, expect, test } from 'vitest'
import { type SpaceBlock, type SpaceMap, type SpaceResource, type SpaceTile } from '../api/shapes'
import { formatCidr, parseCidr, size, type Cidr } from '../cidr'
import { suggested } from './allocate'
import { addressAt, all, areasOf, axisOf, clamp, fit, moved, outside, partway, positionAt, positionOf, shown, spanOf, ticksOf, transformed, windowsOf, xOf, zoomed, type Axis } from './axis'
import { classifier, paint, sharesOf, type Mode } from './colours'
import { hit } from './hit'
import { move, outOf, reveal, sameCell } from './keys'
import { bandsOf, layout, thin, type Scene } from './layout'
import { answerOf, compose, modelOf, type Cell, type Item } from './model'
import { fieldsOf, instantOf, momentOf } from './moment'
import { rowsOf } from './table'

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text)
  if (!parsed) throw new Error(text)
  return parsed
}
const axis = (...texts: string[]): Axis => axisOf(areasOf(texts.map(cidr)))
const block = (Cidr: string, State: SpaceBlock['State'], more: Partial<SpaceBlock> = {}): SpaceBlock => ({ Cidr, State, ...more })
const now = Date.parse('2026-11-30T00:00:00Z')

function sceneOf(map: SpaceMap, mode: Mode = 'state'): Scene {
  const items = compose([answerOf(map, undefined)])
  return sceneOfItems(items, mode)
}

function sceneOfItems(items: Item[], mode: Mode = 'state'): Scene {
  const model = modelOf(items)
  const a = axisOf(areasOf(items.map(i => i.cidr)))
  const c = classifier(mode, model, now)
  return { axis: a, model, paint: paint(model, c), bands: bandsOf(a, model, 600), classOf: c.classOf }
}

function at<T>(list: readonly T[], i: number): T {
  const found = list[i]
  if (found === undefined) throw new Error(`there is no element ${i}`)
  return found
}

// deck is a pool with a pool in it: of the same CIDR, and with a hole.
const deck: SpaceMap = {
  Detail: 'exact',
  Blocks: [
    block('10.0.0.0/12', 'pool', { ChildIpamPoolId: 'top' }), block('10.0.0.0/14', 'pool', { ChildIpamPoolId: 'osaka', IpamPoolId: 'top' }), block('10.0.0.0/16', 'pool', { ChildIpamPoolId: 'dev', IpamPoolId: 'osaka' }),
    block('10.0.0.0/16', 'allocated', { IpamPoolId: 'dev', IpamPoolAllocationId: 'a1', ResourceOwner: '1' }), block('10.1.0.0/16', 'free', { IpamPoolId: 'osaka' }), block('10.2.0.0/15', 'free', { IpamPoolId: 'osaka' }), block('10.4.0.0/14', 'held', { IpamPoolId: 'top' }), block('10.8.0.0/13', 'free', { IpamPoolId: 'top' }),
  ],
  Resources: [
    { Cidr: '10.0.0.0/16', ResourceId: 'vpc-1', IpamPoolAllocationId: 'a1', ResourceOwnerId: '1', ManagementState: 'managed', ComplianceStatus: 'noncompliant', OverlapStatus: 'overlapping', Since: '2026-11-29T12:00:00Z' },
    { Cidr: '10.0.0.0/20', ResourceId: 'vpc-2', ResourceOwnerId: '2', ManagementState: 'unmanaged', ComplianceStatus: 'unmanaged', OverlapStatus: 'overlapping', Since: '2024-11-29T12:00:00Z' },
  ],
}

describe('areas', () => {
  const text = (...texts: string[]) => areasOf(texts.map(cidr)).map(formatCidr)
  test('nothing', () => expect(text()).toEqual([]))
  test('what is inside another is not an area', () => expect(text('10.0.0.0/8', '10.1.0.0/16', '10.0.0.0/8')).toEqual(['10.0.0.0/8']))
  test('neighbours are one', () => expect(text('10.0.0.0/16', '10.1.0.0/16', '10.2.0.0/16')).toEqual(['10.0.0.0/14']))
  test('far ones are apart', () => expect(text('172.31.0.0/16', '10.0.0.0/12', '172.16.0.0/24')).toEqual(['10.0.0.0/12', '172.16.0.0/24', '172.31.0.0/16']))
  test('there are at most 12, and they contain all', () => {
    const many = Array.from({ length: 500 }, (_, i) => cidr(`${(i * 7) % 224}.${(i * 13) % 256}.0.0/24`))
    const areas = areasOf(many)
    expect(areas).toHaveLength(12)
    for (const c of many) expect(areas.filter(a => a.first <= c.first && c.first < a.first + size(a))).toHaveLength(1)
  })
})

test('a larger area is wider, up to four times, and there is a gap between two', () => {
  const { areas, width } = axis('10.0.0.0/12', '172.31.0.0/16', '192.168.0.0/24')
  expect(areas.map(a => a.weight)).toEqual([4n, 3n, 1n])
  const unit = 1n << 48n
  expect(areas.map(a => a.from * 8n / unit)).toEqual([0n, 33n, 58n])
  expect(width * 8n / unit).toBe(66n)
})

describe('positions', () => {
  test.each(['10.0.0.0/12', 'fd00:8:2c00::/40', '::/0', '0.0.0.0/0', '10.0.0.1/32'])('each address of %s has its own place, and the place has the address', text => {
    const a = axis(text)
    const area = at(a.areas, 0)
    for (const address of [area.cidr.first, area.cidr.first + size(area.cidr) / 3n, area.cidr.first + size(area.cidr) - 1n]) {
      expect(addressAt(a, positionOf(area, address))?.address).toBe(address)
      expect(addressAt(a, positionOf(area, address + 1n) - 1n)?.address).toBe(address)
    }
  })
  test('between areas is no address', () => {
    const a = axis('10.0.0.0/16', '192.168.0.0/24')
    expect(addressAt(a, at(a.areas, 1).from - 1n)).toBeUndefined()
    expect(shown(a, all(a)).map(s => s.area.cidr.length)).toEqual([16, 24])
  })
  test('a view inside an IPv6 block is exact down to single addresses', () => {
    const a = axis('fd00::/8')
    const view = fit(a, cidr('fd12:3456:789a:1::10/125'))
    if (!view) throw new Error('no view')
    const area = at(a.areas, 0)
    const first = cidr('fd12:3456:789a:1::10').first
    const xs = Array.from({ length: 8 }, (_, i) => xOf(view, positionOf(area, first + BigInt(i)), 960))
    const steps = xs.slice(1).map((x, i) => x - at(xs, i))
    for (const step of steps) expect(step).toBeCloseTo(at(steps, 0), 6)
    expect(at(steps, 0)).toBeGreaterThan(100)
  })
  test('a CIDR around areas spans them', () => {
    const a = axis('10.0.0.0/16', '10.200.0.0/24')
    expect(spanOf(a, cidr('10.0.0.0/8'))).toEqual({ from: 0n, width: a.width })
    expect(spanOf(a, cidr('11.0.0.0/8'))).toBeUndefined()
    expect([outside(a, cidr('11.0.0.0/8')), outside(a, cidr('10.0.1.0/24')), outside(a, cidr('0.0.0.0/0'))]).toEqual([true, false, false])
  })
})

describe('views', () => {
  const a = axis('10.0.0.0/8')
  const whole = all(a)
  test('zooming keeps the place under the pointer', () => {
    const before = positionAt(whole, 300, 1200)
    for (const factor of [2, 64, 4096]) {
      const view = zoomed(a, whole, factor, 300 / 1200)
      expect(xOf(view, before, 1200)).toBeCloseTo(300, 3)
    }
  })
  test('no view is wider than everything or narrower than eight addresses', () => {
    expect(zoomed(a, whole, 1 / 1000, 0.3)).toEqual(whole)
    const [span] = shown(a, zoomed(a, whole, 1e12, 0.5))
    expect(span && Number(span.last - span.first)).toBeGreaterThanOrEqual(7)
    expect(span && Number(span.last - span.first)).toBeLessThanOrEqual(8)
  })
  test('a view does not leave the axis', () => {
    const view = zoomed(a, whole, 4, 0.5)
    expect(moved(a, view, -100).from).toBe(whole.from)
    const right = moved(a, view, 100)
    expect(right.from + right.width).toBe(whole.from + whole.width)
    expect(clamp(a, right)).toEqual(right)
  })
  test('a gesture that drags by 100 pixels moves all by 100 pixels', () => {
    const view = zoomed(a, whole, 4, 0.5)
    const place = positionAt(view, 500, 1000)
    expect(xOf(transformed(a, view, 1, 100, 1000), place, 1000)).toBeCloseTo(600, 3)
    expect(xOf(transformed(a, view, 2, -500, 1000), place, 1000)).toBeCloseTo(500, 3)
  })
  test('the way to a view begins and ends at its ends, and narrows evenly', () => {
    const to = fit(a, cidr('10.1.0.0/16')) ?? whole
    expect(partway(whole, to, 0)).toEqual(whole)
    expect(partway(whole, to, 1)).toEqual(to)
    expect(Number(partway(whole, to, 0.5).width) / Math.sqrt(Number(whole.width) * Number(to.width))).toBeCloseTo(1, 6)
    expect(xOf(partway(whole, to, 1 - 1e-9), to.from, 1000)).toBeCloseTo(0, 2)
  })
})

describe('windows', () => {
  const a = axis('10.0.0.0/8')
  const text = (view = all(a)) => windowsOf(a, view).map(formatCidr)
  test('the whole needs none', () => expect(text()).toEqual([]))
  test('half of it needs none', () => expect(text(fit(a, cidr('10.0.0.0/9')))).toEqual([]))
  test('a view of a block asks for few, which contain it', () => {
    for (const block of ['10.0.0.0/12', '10.255.0.0/16', '10.77.8.0/24', '10.3.3.16/28']) {
      const view = fit(a, cidr(block)) ?? all(a)
      const windows = windowsOf(a, view)
      expect(windows.length).toBeLessThanOrEqual(3)
      for (const span of shown(a, view)) for (const address of [span.first, span.last]) expect(windows.some(w => w.first <= address && address < w.first + size(w))).toBe(true)
      for (const w of windows) expect(w.length % 2).toBe(0)
    }
  })
  test('a small move asks the same', () => {
    const view = fit(a, cidr('10.77.8.0/24')) ?? all(a)
    expect(text(moved(a, view, 0.01))).toEqual(text(view))
  })
})

describe('ticks', () => {
  test('are aligned, apart from each other, and few', () => {
    const a = axis('10.0.0.0/12', '172.31.0.0/16')
    const ticks = ticksOf(a, all(a), 1200, 110)
    expect(ticks.map(t => t.text)).toEqual(expect.arrayContaining(['10.0.0.0', '172.31.0.0']))
    ticks.slice(1).forEach((t, i) => expect(t.x - at(ticks, i).x).toBeGreaterThan(60))
    expect(ticks.length).toBeLessThan(16)
    const zoomed = ticksOf(a, fit(a, cidr('10.1.2.0/28')) ?? all(a), 1200, 110)
    expect(zoomed.map(t => t.text)).toContain('10.1.2.8')
  })
})

describe('the model', () => {
  const { model } = sceneOf(deck)
  test('one cell a CIDR, the outer block first, resources with their allocation', () => {
    expect(model.cells.map(c => `${c.text} ${c.items.map(i => i.kind).join('+')}`)).toEqual([
      '10.0.0.0/12 pool', '10.0.0.0/14 pool', '10.0.0.0/16 pool+allocated', '10.0.0.0/20 resource', '10.1.0.0/16 free', '10.2.0.0/15 free', '10.4.0.0/14 held', '10.8.0.0/13 free',
    ])
    expect(model.byText.get('10.0.0.0/16')?.items[1]?.resources.map(r => r.ResourceId)).toEqual(['vpc-1'])
  })
  test('nesting', () => {
    const path = (c: Cell | undefined): string[] => (c ? [...path(c.parent), c.text] : [])
    expect(path(model.byText.get('10.0.0.0/20'))).toEqual(['10.0.0.0/12', '10.0.0.0/14', '10.0.0.0/16', '10.0.0.0/20'])
    expect(model.roots.map(c => c.text)).toEqual(['10.0.0.0/12'])
    expect(model.rows.map(r => r.length)).toEqual([12, 13, 14, 15, 16, 20])
  })
  test('a resource of two allocations of a CIDR belongs to its own one', () => {
    const twice = modelOf(answerOf({ Blocks: [block('10.0.0.0/24', 'allocated', { IpamPoolAllocationId: 'outer' }), block('10.0.0.0/24', 'allocated', { IpamPoolAllocationId: 'inner' })], Resources: [{ Cidr: '10.0.0.0/24', ResourceId: 'r', IpamPoolAllocationId: 'outer' }] }, undefined).items)
    expect(at(twice.cells, 0).items.map(i => i.resources.length)).toEqual([1, 0])
  })
  test('texts that are no CIDR are left out', () => expect(answerOf({ Blocks: [block('x', 'free')], Resources: [{}], Tiles: [{ Cidr: '' }] }, undefined).items).toEqual([]))
  test('the table has all blocks, with their depth', () => {
    expect(rowsOf(model, undefined).map(r => `${'-'.repeat(r.depth)}${r.cell.text}`)).toEqual(['10.0.0.0/12', '-10.0.0.0/14', '--10.0.0.0/16', '---10.0.0.0/16', '----10.0.0.0/20', '--10.1.0.0/16', '--10.2.0.0/15', '-10.4.0.0/14', '-10.8.0.0/13'])
    expect(rowsOf(model, cidr('10.1.0.0/16')).map(r => r.depth)).toEqual([0])
  })
})

describe('answers with more detail', () => {
  const tile = (Cidr: string, more: Partial<SpaceTile> = {}): SpaceTile => ({ Cidr, ...more })
  const base = answerOf({ Detail: 'tiles', Tiles: [tile('10.0.0.0/10'), tile('10.64.0.0/10'), tile('10.128.0.0/9')] }, undefined)
  test('replace the tiles inside their region, and hide a part of larger ones', () => {
    const window = answerOf({ Detail: 'exact', Blocks: [block('10.0.0.0/8', 'pool'), block('10.192.0.0/11', 'free'), block('10.224.0.0/11', 'allocated')] }, cidr('10.192.0.0/10'))
    const items = compose([window, base])
    expect(items.map(i => `${i.kind} ${formatCidr(i.cidr)} ${i.hidden.map(formatCidr).join()}`)).toEqual(['tile 10.0.0.0/10 ', 'tile 10.64.0.0/10 ', 'tile 10.128.0.0/9 10.192.0.0/10', 'pool 10.0.0.0/8 ', 'free 10.192.0.0/11 ', 'allocated 10.224.0.0/11 '])
    // The column of the tile is drawn beside the region only.
    const scene = sceneOfItems(items)
    const columns = layout(scene, all(scene.axis), 1000).filter(r => r.item?.kind === 'tile')
    expect(columns.map(r => Math.round(r.x))).toEqual([500, 8, 254]) // by length, then by address
    expect(columns.map(r => Math.round(r.width))).toEqual([246, 246, 246])
  })
  test('side by side show the blocks around both once', () => {
    const part = (region: string, inside: string) => answerOf({ Detail: 'exact', Blocks: [block('10.0.0.0/8', 'pool', { ChildIpamPoolId: 'p' }), block(inside, 'free')] }, cidr(region))
    const model = modelOf(compose([base, part('10.0.0.0/10', '10.0.0.0/10'), part('10.64.0.0/10', '10.64.0.0/10')]))
    expect(model.cells.map(c => c.items.map(i => `${i.kind} ${c.text}`).join())).toEqual(['pool 10.0.0.0/8', 'free 10.0.0.0/10', 'free 10.64.0.0/10', 'tile 10.128.0.0/9'])
  })
})

describe('layout', () => {
  test('a row a prefix length, and thin rows where nothing is', () => {
    const { bands } = sceneOf(deck).bands
    expect(bands.map(b => b.length)).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20])
    expect(bands.filter(b => b.height === thin).map(b => b.length)).toEqual([17, 18, 19])
  })
  test('each block is as wide as its share, inside the block around it', () => {
    const scene = sceneOf(deck)
    const rects = layout(scene, { from: 0n, width: scene.axis.width }, 1600)
    expect(rects.filter(r => r.front).map(r => `${r.cell?.text ?? ''} ${Math.round(r.x)} ${Math.round(r.width)}`)).toEqual([
      '10.0.0.0/12 0 1600', '10.8.0.0/13 800 800', '10.0.0.0/14 0 400', '10.4.0.0/14 400 400', '10.2.0.0/15 200 200', '10.0.0.0/16 3 94', '10.1.0.0/16 100 100', '10.0.0.0/20 0 6',
    ])
    // The pool of the same CIDR stands around its allocation.
    expect(rects.filter(r => !r.front).map(r => `${r.of} ${r.cell?.text ?? ''} ${r.x} ${r.width}`)).toEqual(['pool 10.0.0.0/16 0 100'])
    expect(rects.filter(r => r.overlap).map(r => r.cell?.text)).toEqual(['10.0.0.0/16', '10.0.0.0/20'])
    expect(rects.filter(r => r.hatched).map(r => r.cell?.text)).toEqual(['10.4.0.0/14', '10.0.0.0/20'])
  })
  test('only what is visible becomes a rectangle, cut off at the edges', () => {
    const scene = sceneOf(deck)
    const rects = layout(scene, fit(scene.axis, cidr('10.1.0.0/16')) ?? all(scene.axis), 1000)
    expect(rects.filter(r => r.front).map(r => r.cell?.text)).toEqual(['10.0.0.0/12', '10.0.0.0/14', '10.2.0.0/15', '10.0.0.0/16', '10.1.0.0/16'])
    for (const r of rects) expect(r.x >= -2 && r.x + r.width <= 1002).toBe(true)
  })

  const many = (n: number, length: number, state: (i: number) => SpaceBlock['State'] = () => 'allocated'): Item[] => {
    const root = cidr('10.0.0.0/8')
    const step = 1n << BigInt(32 - length)
    return [
      { kind: 'pool', cidr: root, resources: [], hidden: [] },
      ...Array.from({ length: n }, (_, i): Item => ({ kind: state(i) ?? 'free', cidr: { ...root, first: root.first + BigInt(i) * step, length }, resources: [], hidden: [] })),
    ]
  }
  test('blocks that look alike are one rectangle; zoomed in, only the visible ones are drawn', () => {
    const scene = sceneOfItems(many(60_000, 24))
    const whole = layout(scene, { from: 0n, width: scene.axis.width }, 1200)
    expect(whole.map(r => r.count)).toEqual([1, 60_000])
    expect(Math.round(whole[1]?.width ?? 0)).toBe(1099) // 60,000 of 65,536 blocks
    const zoomed = layout(scene, fit(scene.axis, cidr('10.9.16.0/20')) ?? all(scene.axis), 1200)
    expect(zoomed).toHaveLength(1 + 18) // the pool, 16 blocks and the edges of two neighbours
    expect(zoomed.every(r => r.count === 1 && r.cell !== undefined)).toBe(true)
  })
  test('a million blocks that differ are at most a rectangle a pixel, and each is counted once', () => {
    const scene = sceneOfItems(many(1_000_000, 28, i => (Math.floor(i / 2000) % 2 === 0 ? 'allocated' : 'held')))
    const rects = layout(scene, { from: 0n, width: scene.axis.width }, 1200).slice(1)
    expect(rects.length).toBeGreaterThan(300)
    expect(rects.length).toBeLessThanOrEqual(1200)
    expect(rects.reduce((n, r) => n + r.count, 0)).toBe(1_000_000)
    rects.slice(1).forEach((r, i) => expect(r.x).toBeGreaterThanOrEqual(at(rects, i).x + at(rects, i).width - 0.01))
    expect(layout(scene, fit(scene.axis, cidr('10.9.8.0/24')) ?? all(scene.axis), 1200)).toHaveLength(1 + 18)
  })
  test('the commonest class of a pixel colours it', () => {
    const scene = sceneOfItems(many(65_536, 24, i => (i % 10 === 0 ? 'held' : 'allocated')))
    const rects = layout(scene, { from: 0n, width: scene.axis.width }, 256).slice(1)
    expect(rects.map(r => [r.of, r.hatched, r.count])).toEqual([['allocated', false, 65_536]])
  })
})

describe('what is at a place', () => {
  const scene = sceneOf(deck)
  const view = { from: 0n, width: scene.axis.width }
  const y = (length: number) => (scene.bands.bands.find(b => b.length === length)?.y ?? -100) + 2
  const text = (x: number, length: number) => hit(scene, view, 1600, x, y(length))?.cell.text
  test('the block of the row', () => {
    expect([text(10, 12), text(10, 14), text(1000, 13), text(150, 16), text(99.5, 16), text(100.5, 16)]).toEqual(['10.0.0.0/12', '10.0.0.0/14', '10.8.0.0/13', '10.1.0.0/16', '10.0.0.0/16', '10.1.0.0/16'])
  })
  test('nothing where no block is', () => expect([text(10, 13), text(1500, 14), text(10, 9)]).toEqual([undefined, undefined, undefined]))
  test('the address under the pointer', () => expect(hit(scene, view, 1600, 150, y(16))?.address).toBe(cidr('10.1.128.0').first))
  test('a narrow block is found close to it', () => {
    const narrow = sceneOf({ Blocks: [block('10.0.0.0/8', 'pool'), block('10.128.0.0/24', 'allocated')] })
    const row = narrow.bands.bands.find(b => b.length === 24)
    const find = (x: number) => hit(narrow, { from: 0n, width: narrow.axis.width }, 1000, x, (row?.y ?? 0) + 2)?.cell.text
    expect([find(490), find(498), find(502), find(510)]).toEqual([undefined, '10.128.0.0/24', '10.128.0.0/24', undefined])
  })
  test('several blocks in a pixel are counted', () => {
    const many = sceneOf({ Blocks: [block('10.0.0.0/16', 'pool'), ...Array.from({ length: 4096 }, (_, i) => block(`10.0.${i >> 4}.${(i % 16) * 16}/28`, 'allocated'))] })
    const row = many.bands.bands.find(b => b.length === 28)
    expect(hit(many, { from: 0n, width: many.axis.width }, 1024, 100.5, (row?.y ?? 0) + 2)?.count).toBeGreaterThan(3)
  })
  test('a tile fills the rows below it', () => {
    const tiled = sceneOf({ Detail: 'tiles', Tiles: [{ Cidr: '10.0.0.0/9', Allocations: 5000 }, { Cidr: '10.128.0.0/12', Allocations: 5000 }] })
    const v = { from: 0n, width: tiled.axis.width }
    expect([hit(tiled, v, 1000, 100, tiled.bands.height - 3)?.cell.text, hit(tiled, v, 1000, 510, tiled.bands.height - 3)?.cell.text, hit(tiled, v, 1000, 900, tiled.bands.height - 3)]).toEqual(['10.0.0.0/9', '10.128.0.0/12', undefined])
  })
})

describe('moves by keyboard', () => {
  const scene = sceneOf(deck)
  const { model } = scene
  const go = (from: string, ...keys: Parameters<typeof move>[2][]) => keys.reduce<Cell | undefined>((cell, key) => move(model, cell, key), model.byText.get(from))?.text
  test('without a block, to the first one', () => expect(move(model, undefined, 'ArrowRight')?.text).toBe('10.0.0.0/12'))
  test('down and up', () => {
    expect(go('10.0.0.0/12', 'ArrowDown', 'ArrowDown', 'ArrowDown')).toBe('10.0.0.0/20')
    expect(go('10.0.0.0/20', 'ArrowDown')).toBe('10.0.0.0/20')
    expect(go('10.0.0.0/20', 'ArrowUp', 'ArrowUp', 'ArrowUp', 'ArrowUp')).toBe('10.0.0.0/12')
  })
  test('left and right among the blocks of the same one around, then beyond', () => {
    expect(go('10.0.0.0/16', 'ArrowRight')).toBe('10.1.0.0/16')
    expect(go('10.2.0.0/15', 'ArrowRight')).toBe('10.4.0.0/14')
    expect(go('10.4.0.0/14', 'ArrowLeft')).toBe('10.0.0.0/14')
    expect(go('10.8.0.0/13', 'ArrowRight')).toBe('10.8.0.0/13')
    expect([go('10.4.0.0/14', 'Home'), go('10.4.0.0/14', 'End')]).toEqual(['10.0.0.0/14', '10.8.0.0/13'])
  })
  test('each block can be reached', () => {
    const seen = new Set<string>()
    const walk = (cell: Cell | undefined) => {
      if (!cell || seen.has(cell.text)) return
      seen.add(cell.text)
      walk(move(model, cell, 'ArrowDown'))
      walk(move(model, cell, 'ArrowRight'))
    }
    walk(move(model, undefined, 'Home'))
    expect(seen.size).toBe(model.cells.length)
  })
  test('the view follows, and stays if it shows the block', () => {
    const view = fit(scene.axis, cidr('10.0.0.0/14')) ?? all(scene.axis)
    expect(reveal(scene.axis, view, at(model.cells, 2))).toBe(view)
    const held = model.byText.get('10.4.0.0/14')
    const moved = held && reveal(scene.axis, view, held)
    const span = held && spanOf(scene.axis, held.cidr)
    expect(moved && span && moved.from <= span.from && span.from + span.width <= moved.from + moved.width).toBe(true)
  })
  test('out goes to the block around, and at last to everything', () => {
    let view = fit(scene.axis, cidr('10.0.0.0/20')) ?? all(scene.axis)
    const path: (string | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      const out = outOf(scene.axis, model, view)
      path.push(out.cell?.text)
      view = out.view
    }
    expect(path).toEqual(['10.0.0.0/16', '10.0.0.0/14', undefined, undefined])
    expect(view).toEqual(all(scene.axis))
  })
  test('a block that is gone has its place in the block around', () => {
    const other = modelOf(answerOf({ Blocks: [block('10.0.0.0/12', 'pool'), block('10.0.0.0/13', 'free')] }, undefined).items)
    expect(sameCell(other, model.byText.get('10.0.0.0/20'))?.text).toBe('10.0.0.0/13')
    expect(sameCell(other, undefined)).toBeUndefined()
  })
})

describe('colours', () => {
  const classesOf = (mode: Mode) => {
    const { model, classOf } = sceneOf(deck, mode)
    return Object.fromEntries(model.cells.map(c => [c.text, c.items.map(classOf).join('+')]))
  }
  test('by state', () => expect(classesOf('state')).toEqual({ '10.0.0.0/12': 'pool', '10.0.0.0/14': 'pool', '10.0.0.0/16': 'pool+allocated', '10.0.0.0/20': 'unmanaged', '10.1.0.0/16': 'free', '10.2.0.0/15': 'free', '10.4.0.0/14': 'held', '10.8.0.0/13': 'free' }))
  test('by owner', () => expect(classesOf('owner')).toMatchObject({ '10.0.0.0/16': 'pool+owner0', '10.0.0.0/20': 'owner1', '10.4.0.0/14': 'unknown', '10.1.0.0/16': 'free' }))
  test('by compliance', () => expect(classesOf('compliance')).toMatchObject({ '10.0.0.0/16': 'pool+noncompliant', '10.0.0.0/20': 'unmanaged', '10.4.0.0/14': 'unmanaged' }))
  test('by age', () => expect(classesOf('age')).toMatchObject({ '10.0.0.0/16': 'pool+day', '10.0.0.0/20': 'older', '10.4.0.0/14': 'unknown' }))
  test('the worst status of several resources', () => {
    const r = (ComplianceStatus: SpaceResource['ComplianceStatus']): SpaceResource => ({ Cidr: '10.0.0.0/24', ComplianceStatus })
    const of = (...resources: SpaceResource[]) => { const { model, classOf } = sceneOf({ Blocks: [block('10.0.0.0/24', 'allocated')], Resources: resources }, 'compliance'); return classOf(at(at(model.cells, 0).items, 0)) }
    expect([of(), of(r('compliant')), of(r('compliant'), r('noncompliant')), of(r('ignored'), r('compliant'))]).toEqual(['idle', 'compliant', 'noncompliant', 'compliant'])
  })
  test('eight accounts have colours, those with most blocks; the others share one', () => {
    const blocks = Array.from({ length: 60 }, (_, i) => block(`10.0.${i}.0/24`, 'allocated', { ResourceOwner: String(Math.floor(Math.sqrt(i * 2))) }))
    const model = modelOf(answerOf({ Blocks: blocks }, undefined).items)
    const c = classifier('owner', model, now)
    expect(c.owners).toHaveLength(8)
    expect(new Set(model.cells.map(cell => c.classOf(at(cell.items, 0)))).size).toBe(9)
  })
  test('the shares of a tile never exceed it', () => {
    const item = (tile: SpaceTile): Item => ({ kind: 'tile', cidr: cidr('10.0.0.0/24'), tile, resources: [], hidden: [] })
    expect(sharesOf(item({ AllocatedAddresses: 128, HeldAddresses: 64, FreeAddresses: 64 }), 'state')).toEqual([{ of: 'allocated', share: 0.5 }, { of: 'held', share: 0.25 }, { of: 'free', share: 0.25 }])
    expect(sharesOf(item({ AllocatedAddresses: 200, NoncompliantAddresses: 128, UnmanagedAddresses: 200 }), 'compliance')).toEqual([{ of: 'noncompliant', share: 0.5 }, { of: 'unmanaged', share: 0.5 }])
    expect(sharesOf(item({ UnmanagedAddresses: 64 }), 'state')).toEqual([{ of: 'unmanaged', share: 0.25 }])
    expect(sharesOf(item({ ProvisionedAddresses: 256, AllocatedAddresses: 256, UnmanagedAddresses: 64 }), 'state')).toEqual([{ of: 'allocated', share: 1 }])
    expect(sharesOf(item({}), 'age')).toEqual([])
  })
})

describe('the CIDR that a hole suggests', () => {
  const text = (hole: string, pool: Parameters<typeof suggested>[1], address?: string) => formatCidr(suggested(cidr(hole), pool, address === undefined ? undefined : cidr(address).first))
  test('without rules, all of it', () => expect(text('10.0.0.0/17', undefined)).toBe('10.0.0.0/17'))
  test('the default length around the pointer', () => expect(text('10.0.0.0/17', { AllocationDefaultNetmaskLength: 24 }, '10.0.77.9')).toBe('10.0.77.0/24'))
  test('not larger than the rules admit', () => expect(text('10.0.0.0/17', { AllocationMinNetmaskLength: 20 }, '10.0.77.9')).toBe('10.0.64.0/20'))
  test('not larger than the hole', () => expect(text('10.0.0.0/26', { AllocationDefaultNetmaskLength: 24, AllocationMinNetmaskLength: 20 })).toBe('10.0.0.0/26'))
  test('IPv6', () => expect(text('fd00:8::/40', { AllocationDefaultNetmaskLength: 56 }, 'fd00:8:12:3456::1')).toBe('fd00:8:12:3400::/56'))
})

describe('times', () => {
  test.each(['utc', 'local'] as const)('the fields of a time in %s give the time', zone => {
    const at = new Date('2026-03-29T01:30:05Z')
    const { date, time } = fieldsOf(at, zone)
    expect(instantOf(date, time, zone)).toBe('2026-03-29T01:30:05Z')
  })
  test('in UTC', () => expect(fieldsOf(new Date('2026-03-29T01:30:05Z'), 'utc')).toEqual({ date: '2026-03-29', time: '01:30:05' }))
  test('missing parts are 0', () => expect([instantOf('2026-03-29', '', 'utc'), instantOf('2026-03-29', '07:15', 'utc')]).toEqual(['2026-03-29T00:00:00Z', '2026-03-29T07:15:00Z']))
  test.each([['', '10:00'], ['2026-13-01', '10:00'], ['2026-1-1', ''], ['2026-01-01', '1:2'], ['2026-01-01', '25:00']])('%s %s is no time', (date, time) => expect(instantOf(date, time, 'utc')).toBeUndefined())
  test('of the address of a page', () => expect([momentOf(null), momentOf('x'), momentOf('2026-03-29T01:30:05+09:00')]).toEqual([undefined, undefined, '2026-03-28T16:30:05.000Z']))
})
