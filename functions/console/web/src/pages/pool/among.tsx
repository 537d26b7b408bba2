// Where a CIDR lies among its neighbours in a pool: a strip, and the same as a table.
import Box from '@cloudscape-design/components/box'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import { useQuery } from '@tanstack/react-query'
import { call } from '../../api/call'
import { formatAddress, formatCidr, last, parseCidr, size, type Cidr } from '../../cidr'
import { nearest, neighbours, type Neighbour } from '../../acts/neighbours'
import '../../acts/acts.css'
import { windowOf } from '../../acts/values'
import { usePoolNames } from '../../data'
import { useFormat } from '../../format'
import { useTypeName } from '../../parts/cells'
import { query, To } from '../../parts/link'
import { Plain } from '../../parts/plain'
import { common } from '../../parts/text'
import { catalogue, useText } from '../../text'
import { rowsOf } from './space'
import { texts as poolTexts } from './text'

const texts = catalogue({
  en: {
    title: 'Where it lies', part: (cidr: string) => `The part ${cidr} of the pool. Only the nearest neighbours are listed.`, neighbours: 'Neighbours', new: 'This allocation', what: 'What',
    clash: (cidr: string) => `It overlaps ${cidr}.`, map: 'Show on the map', free: 'Free', taken: 'Taken', picture: (cidr: string, before: string, after: string) => `${cidr} lies between ${before} and ${after}.`, edge: 'the end of the part',
  },
  ja: {
    title: '位置', part: cidr => `プールのうち ${cidr} の部分です。隣接するブロックのみを一覧に表示します。`, neighbours: '隣接するブロック', new: 'この割り振り', what: '内容',
    clash: cidr => `${cidr} と重複します。`, map: 'マップに表示', free: '空き', taken: '使用中', picture: (cidr, before, after) => `${cidr} は ${before} と ${after} の間にあります。`, edge: '範囲の端',
  },
})

export function Among({ pool, cidr, roots }: { pool: string; cidr: Cidr; roots: readonly string[] }) {
  const t = useText(texts)
  const p = useText(poolTexts)
  const c = useText(common)
  const f = useFormat()
  const typeName = useTypeName()
  const poolName = usePoolNames()
  const window = windowOf(cidr, roots.flatMap(r => parseCidr(r) ?? []))
  const input = { IpamPoolId: pool, Cidr: formatCidr(window), MaxBlocks: 2000 }
  const { data } = useQuery({
    queryKey: ['GetIpamSpaceMap', input],
    queryFn: async ({ signal }) => (await call('GetIpamSpaceMap', input, { signal })).IpamSpaceMap,
    placeholderData: old => old,
  })
  if (!data || data.Detail === 'tiles') return null
  const { all, clash } = neighbours(rowsOf(pool, data), cidr, window)
  const near = nearest(all)
  const at = all.findIndex(b => b.kind === 'new')
  const what = (b: Neighbour): string => {
    if (b.kind === 'new') return t.new
    switch (b.row.kind) {
      case 'root': case 'free': return p.space.freeRow
      case 'held': return p.space.held
      case 'changing': return p.space.changing
      case 'pool': return p.space.pool(poolName(b.row.block.ChildIpamPoolId) ?? '')
      case 'allocated': return [typeName(b.row.block.ResourceType), b.row.block.Name ?? b.row.block.Description ?? b.row.block.ResourceId].filter(s => s !== undefined && s !== '').join(' · ')
    }
  }
  return (
    <SpaceBetween size="xs">
      <Box variant="h3">{t.title}</Box>
      {clash ? <StatusIndicator type="error">{t.clash(clash.block.Cidr ?? '')}</StatusIndicator> : null}
      <div>
        <div className="acts-strip" role="img" aria-label={t.picture(formatCidr(cidr), all[at - 1]?.text ?? t.edge, all[at + 1]?.text ?? t.edge)}>
          {all.map((b, i) => <span key={i} className={`acts-${b.kind}`} title={`${b.text} ${what(b)}`} style={{ insetInlineStart: `${b.start * 100}%`, inlineSize: `${b.share * 100}%` }} />)}
        </div>
        <div className="acts-ends"><span>{formatAddress(window.family, window.first)}</span><span>{formatAddress(window.family, last(window))}</span></div>
      </div>
      <Box variant="small">
        <SpaceBetween direction="horizontal" size="m">
          {(['new', 'taken', 'free'] as const).map(kind => <span key={kind}><span className={`acts-key acts-${kind}`} />{t[kind]}</span>)}
          <To href={query('/map', { pool, cidr: formatCidr(window) })} fontSize="body-s">{t.map}</To>
        </SpaceBetween>
      </Box>
      <Box variant="small" color="text-body-secondary">{t.part(formatCidr(window))}</Box>
      <Plain
        label={t.neighbours}
        rows={near}
        columns={[
          { header: c.cidr, cell: b => (b.kind === 'new' ? <b>{b.text}</b> : b.text), rowHeader: true },
          { header: t.what, cell: b => <span className="break">{b.kind === 'new' ? <b>{what(b)}</b> : what(b)}</span> },
          { header: c.addresses, cell: b => f.addresses(size(b.cidr)), end: true },
        ]}
      />
    </SpaceBetween>
  )
}
