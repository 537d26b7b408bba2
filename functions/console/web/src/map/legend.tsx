import { useText } from '../text'
import { type Class, type Classifier, type Palette } from './colours'
import { hatchedClasses } from './draw'
import { texts } from './text'

const order: readonly Class[] = ['pool', 'allocated', 'used', 'compliant', 'noncompliant', 'idle', 'day', 'week', 'month', 'year', 'older', 'owner0', 'owner1', 'owner2', 'owner3', 'owner4', 'owner5', 'owner6', 'owner7', 'otherOwner', 'held', 'unmanaged', 'ignored', 'changing', 'unknown', 'free']

// Legend names the colours that the map uses.
export function Legend({ classes, overlaps, tiled, classifier, palette }: { classes: ReadonlySet<Class>; overlaps: boolean; tiled: boolean; classifier: Classifier; palette: Palette }) {
  const t = useText(texts)
  const { mode, owners } = classifier
  const name = (c: Class): string => {
    if (c.startsWith('owner')) return owners[Number(c.slice(5))] ?? ''
    if (c === 'otherOwner') return t.otherOwner
    if (c === 'unmanaged' && mode === 'compliance') return t.unmanagedStatus
    if (c === 'unknown') return tiled ? t.unknown : mode === 'age' ? t.noAge : t.noOwner
    return (t.classes as Record<string, string>)[c] ?? ''
  }
  return (
    <ul className="map-legend" aria-label={t.legend}>
      {order.filter(c => classes.has(c)).map(c => (
        <li key={c}><Key fill={palette.classes[c].fill} line={palette.classes[c].line} hatched={hatchedClasses.includes(c)} />{name(c)}</li>
      ))}
      {overlaps ? <li><Key fill="transparent" line={palette.overlap} overlap />{t.overlapping}</li> : null}
    </ul>
  )
}

function Key({ fill, line, hatched = false, overlap = false }: { fill: string; line: string; hatched?: boolean; overlap?: boolean }) {
  return <span aria-hidden="true" className={`map-key${hatched ? ' map-key-hatched' : ''}${overlap ? ' map-key-overlap' : ''}`} style={{ '--map-fill': fill, '--map-line': line } as React.CSSProperties} />
}
