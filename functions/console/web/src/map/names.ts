// The names of cells, for the map, the details and the table.
import { formatAddress, size } from '../cidr'
import { usePoolNames } from '../data'
import { useFormat } from '../format'
import { useTypeName } from '../parts/cells'
import { common } from '../parts/text'
import { useText } from '../text'
import { inner, type Cell, type Item } from './model'
import { texts } from './text'

export interface Names {
  kind: (item: Item) => string // the kind of an item, as a text
  name: (item: Item) => string // its own name, or ''
  labels: (cell: Cell) => string[] // the texts for its place on the map, the best one first
  said: (cell: Cell) => string // for screen readers
}

export function useNames(): Names {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const typeName = useTypeName()
  const poolName = usePoolNames()
  const kind = (item: Item): string => {
    if (item.kind === 'allocated') return typeName(item.block?.ResourceType) || t.kinds.allocated
    if (item.kind === 'resource') return typeName(item.resources[0]?.ResourceType) || t.kinds.resource
    return t.kinds[item.kind]
  }
  const name = (item: Item): string => {
    const { block, resources } = item
    if (item.kind === 'pool') return poolName(block?.ChildIpamPoolId) ?? ''
    return firstOf(block?.Name, resources[0]?.ResourceName, block?.Description, resources[0]?.ResourceId, block?.ResourceId)
  }
  return {
    kind, name,
    labels: cell => {
      const item = inner(cell)
      const address = formatAddress(cell.cidr.family, cell.cidr.first)
      if (item.tile) return (item.tile.Allocations ?? 0) === 0 ? [cell.text, address] : [`${cell.text} · ${f.number(item.tile.Allocations ?? 0)}`, cell.text, address]
      const own = cell.items.map(name).filter((n, i, all) => n !== '' && n !== all[i - 1])
      const whole = own.join(' › ')
      if (whole === '') return [cell.text, address]
      return [`${whole} · ${cell.text}`, whole, own.at(-1) ?? '', cell.text]
    },
    said: cell => {
      const what = cell.items.map(i => [kind(i), name(i)].filter(s => s !== '').join(' ')).join(' › ')
      const text = t.said(what, cell.text, c.hosts(f.addresses(size(cell.cidr))))
      return cell.children.length === 0 ? text : `${text}. ${t.inside(f.number(cell.children.length))}`
    },
  }
}

function firstOf(...texts: (string | undefined)[]): string {
  return texts.find(text => text !== undefined && text !== '') ?? ''
}
