// The classes of cells in each way to colour the map, and their colours.
import { scaleOrdinal, scaleThreshold } from 'd3-scale'
import { size } from '../cidr'
import { type Theme } from '../viewer'
import { inner, overlapping, ownerOf, unmanaged, type Cell, type Item, type Model } from './model'

export const modes = ['state', 'owner', 'compliance', 'age'] as const
export type Mode = (typeof modes)[number]

export const ownerClasses = ['owner0', 'owner1', 'owner2', 'owner3', 'owner4', 'owner5', 'owner6', 'owner7'] as const
export const ageClasses = ['day', 'week', 'month', 'year', 'older'] as const

export type Class =
  | 'pool' | 'free' | 'changing' // in all ways
  | 'allocated' | 'used' | 'held' | 'unmanaged' | 'ignored'
  | 'compliant' | 'noncompliant' | 'idle' // idle: an allocation without a live resource
  | (typeof ownerClasses)[number] | 'otherOwner'
  | (typeof ageClasses)[number]
  | 'unknown' // a tile does not say it

// Classifier gives the class of an item in one way to colour the map.
export interface Classifier {
  mode: Mode
  owners: readonly string[] // with a colour of their own, those with most blocks first
  classOf: (item: Item) => Class
}

export function classifier(mode: Mode, model: Model, now: number): Classifier {
  const owners = mode === 'owner' ? frequent(model) : []
  const byOwner = scaleOrdinal<string, Class>().domain(owners).range(ownerClasses).unknown<Class>('otherOwner')
  const byDays = scaleThreshold<number, Class>().domain([1, 7, 30, 365]).range(ageClasses)
  return {
    mode, owners,
    classOf: item => {
      switch (item.kind) {
        case 'pool': case 'free': case 'changing': return item.kind
        case 'tile': return 'unknown'
        case 'allocated': case 'held': case 'resource': break
      }
      switch (mode) {
        case 'state': return stateOf(item)
        case 'owner': { const owner = ownerOf(item); return owner === undefined ? 'unknown' : byOwner(owner) }
        case 'compliance': return complianceOf(item)
        case 'age': { const since = sinceOf(item); return since === undefined ? 'unknown' : byDays((now - since) / 86_400_000) }
      }
    },
  }
}

function stateOf(item: Item): Class {
  if (item.kind !== 'resource') return item.kind as Class
  if (unmanaged(item)) return 'unmanaged'
  return item.resources.every(r => r.ManagementState === 'ignored') ? 'ignored' : 'used'
}

// complianceOf returns the worst status of an item's resources.
function complianceOf(item: Item): Class {
  for (const status of ['noncompliant', 'unmanaged', 'compliant', 'ignored'] as const) {
    if (item.resources.some(r => r.ComplianceStatus === status)) return status
  }
  if (item.kind === 'held') return 'unmanaged'
  return item.kind === 'resource' ? 'used' : 'idle'
}

// sinceOf returns the time at which the first of an item's resources appeared.
export function sinceOf(item: Item): number | undefined {
  const times = item.resources.flatMap(r => { const at = Date.parse(r.Since ?? ''); return Number.isNaN(at) ? [] : [at] })
  return times.length > 0 ? Math.min(...times) : undefined
}

function frequent(model: Model): string[] {
  const counts = new Map<string, number>()
  for (const cell of model.cells) {
    for (const item of cell.items) {
      const owner = item.kind === 'pool' || item.kind === 'free' ? undefined : ownerOf(item)
      if (owner !== undefined) counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, ownerClasses.length).map(([owner]) => owner)
}

// sharesOf returns the uses of a tile's space, as shares of the whole from the bottom up.
// The rest of it is in no pool.
export function sharesOf(item: Item, mode: Mode): { of: Class; share: number }[] {
  const t = item.tile
  if (!t) return []
  const whole = Number(size(item.cidr))
  const shares: { of: Class; share: number }[] = []
  let left = 1
  const add = (of: Class, addresses: number | undefined) => {
    const share = Math.min(left, Math.max(0, (addresses ?? 0) / whole))
    if (share > 0) shares.push({ of, share })
    left -= share
  }
  const used = (t.AllocatedAddresses ?? 0) + (t.HeldAddresses ?? 0)
  if (mode === 'state') {
    add('allocated', t.AllocatedAddresses)
    add('held', t.HeldAddresses)
    // Outside of pools.
    add('unmanaged', Math.min((t.UnmanagedAddresses ?? 0) - (t.HeldAddresses ?? 0), whole - (t.ProvisionedAddresses ?? 0)))
  } else if (mode === 'compliance') {
    add('noncompliant', t.NoncompliantAddresses)
    add('unmanaged', t.UnmanagedAddresses)
    add('unknown', used - (t.NoncompliantAddresses ?? 0) - (t.UnmanagedAddresses ?? 0))
  } else add('unknown', used)
  add('free', t.FreeAddresses)
  return shares
}

// Paint is the classes of all cells, as numbers that the layout can add up.
export interface Paint {
  classes: readonly Class[] // those in use
  rows: readonly PaintedRow[] // as the rows of the model
}

export interface PaintedRow {
  of: Uint8Array // the index of each cell's class
  before: readonly Uint32Array[] // for each class, how many cells before this one have it
  overlaps: Uint32Array // how many cells before this one overlap
  hatched: Uint32Array // how many cells before this one are hatched
}

export function paint(model: Model, c: Classifier): Paint {
  const classes: Class[] = []
  const index = new Map<Class, number>()
  const numbered = model.rows.map(row => {
    const of = new Uint8Array(row.cells.length)
    row.cells.forEach((cell, i) => {
      const name = c.classOf(inner(cell))
      let n = index.get(name)
      if (n === undefined) {
        n = classes.push(name) - 1
        index.set(name, n)
      }
      of[i] = n
    })
    return of
  })
  const counted = (cells: readonly Cell[], has: (cell: Cell, i: number) => boolean) => {
    const before = new Uint32Array(cells.length + 1)
    cells.forEach((cell, i) => { before[i + 1] = (before[i] ?? 0) + (has(cell, i) ? 1 : 0) })
    return before
  }
  const rows = model.rows.map((row, r): PaintedRow => {
    const of = numbered[r] ?? new Uint8Array()
    const present = new Set(of)
    const none = new Uint32Array()
    return {
      of,
      before: classes.map((_, n) => (present.has(n) ? counted(row.cells, (_cell, i) => of[i] === n) : none)),
      overlaps: counted(row.cells, cell => cell.items.some(overlapping)),
      hatched: counted(row.cells, cell => unmanaged(inner(cell))),
    }
  })
  return { classes, rows }
}

export interface Colour {
  fill: string
  line: string
  text: string
}

export interface Palette {
  classes: Record<Class, Colour>
  background: string
  row: string // every second row
  text: string
  overlap: string
  focus: string
}

const light: Palette = {
  background: '#ffffff', row: '#f9f9fa', text: '#424650', overlap: '#d1001f', focus: '#002b66',
  classes: {
    pool: { fill: '#eef0f4', line: '#8c8c94', text: '#0f141a' },
    free: { fill: '#f3faf4', line: '#c3e0c7', text: '#3a6641' },
    changing: { fill: '#e4e4ea', line: '#8c8c94', text: '#33363d' },
    allocated: { fill: '#b8d6fb', line: '#3b7fd4', text: '#06264d' },
    used: { fill: '#dcebfd', line: '#86b1e6', text: '#06264d' },
    held: { fill: '#fdeccb', line: '#a86308', text: '#4a2b00' },
    unmanaged: { fill: '#ecebf0', line: '#656871', text: '#27292e' },
    ignored: { fill: '#f2f3f5', line: '#b6bec9', text: '#545b64' },
    compliant: { fill: '#bfe6c6', line: '#2b8a3e', text: '#0b3315' },
    noncompliant: { fill: '#ffd59a', line: '#b25b00', text: '#4a2500' },
    idle: { fill: '#e1e6f0', line: '#8fa0bd', text: '#27344a' },
    owner0: { fill: '#b8d6fb', line: '#3b7fd4', text: '#06264d' },
    owner1: { fill: '#ffd3b0', line: '#c2661b', text: '#4a2200' },
    owner2: { fill: '#c9ebc4', line: '#3d9130', text: '#113509' },
    owner3: { fill: '#f6c7d6', line: '#c0386b', text: '#4d0a24' },
    owner4: { fill: '#d9ccf5', line: '#7a4fd0', text: '#2a1259' },
    owner5: { fill: '#b9e8e8', line: '#178a8a', text: '#003636' },
    owner6: { fill: '#efe3a4', line: '#8f7a0c', text: '#3a3000' },
    owner7: { fill: '#e0d2c4', line: '#8a6642', text: '#38240f' },
    otherOwner: { fill: '#dadde3', line: '#7d8794', text: '#27292e' },
    day: { fill: '#5a3fb8', line: '#3a2391', text: '#ffffff' },
    week: { fill: '#8b74da', line: '#5a3fb8', text: '#0f0433' },
    month: { fill: '#b4a5ea', line: '#7a62cf', text: '#1d0d52' },
    year: { fill: '#d8d0f5', line: '#a394df', text: '#2a1a63' },
    older: { fill: '#efecfb', line: '#c6bdec', text: '#3b2d70' },
    unknown: { fill: '#d6dbe3', line: '#9aa4b2', text: '#27292e' },
  },
}

const dark: Palette = {
  background: '#161d26', row: '#1a222c', text: '#b4b4bb', overlap: '#ff6b7f', focus: '#ffffff',
  classes: {
    pool: { fill: '#232b37', line: '#656f80', text: '#ebebf0' },
    free: { fill: '#18261f', line: '#2f4d38', text: '#8fc49b' },
    changing: { fill: '#333843', line: '#8c8c94', text: '#dedee3' },
    allocated: { fill: '#1c4a85', line: '#5c9ff0', text: '#e3effe' },
    used: { fill: '#1a3355', line: '#3f6ca6', text: '#d3e4fb' },
    held: { fill: '#4d3508', line: '#e0a33e', text: '#fdeccb' },
    unmanaged: { fill: '#333843', line: '#a4a4ad', text: '#ebebf0' },
    ignored: { fill: '#222a35', line: '#505a68', text: '#b4b4bb' },
    compliant: { fill: '#1a5428', line: '#4fb863', text: '#dcf5e0' },
    noncompliant: { fill: '#6b3a00', line: '#ffb347', text: '#ffe6c4' },
    idle: { fill: '#2d384d', line: '#6d80a3', text: '#dbe3f0' },
    owner0: { fill: '#1c4a85', line: '#5c9ff0', text: '#e3effe' },
    owner1: { fill: '#6e3a10', line: '#f0944a', text: '#ffe7d6' },
    owner2: { fill: '#205418', line: '#6cc45e', text: '#e0f5dc' },
    owner3: { fill: '#6b1f3d', line: '#ee7ba3', text: '#fde3ec' },
    owner4: { fill: '#432a7d', line: '#a988f0', text: '#ece3fd' },
    owner5: { fill: '#0c5252', line: '#4cc4c4', text: '#d6f6f6' },
    owner6: { fill: '#52460a', line: '#d6c04a', text: '#f7f0cc' },
    owner7: { fill: '#4a3826', line: '#c09a72', text: '#f2e6da' },
    otherOwner: { fill: '#3a424e', line: '#8c97a6', text: '#e6e9ee' },
    day: { fill: '#b9a8ff', line: '#ddd3ff', text: '#150640' },
    week: { fill: '#8069d6', line: '#b9a8ff', text: '#ffffff' },
    month: { fill: '#5a45a8', line: '#8b74da', text: '#f0ecff' },
    year: { fill: '#3b2d70', line: '#6a56b3', text: '#e3dbff' },
    older: { fill: '#272044', line: '#4c3f80', text: '#cfc6f2' },
    unknown: { fill: '#3a424e', line: '#6d7786', text: '#e6e9ee' },
  },
}

export const palettes: Record<Theme, Palette> = { light, dark }
