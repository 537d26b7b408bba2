// The utilisation of a pool over time, and when it is full.
import Box from '@cloudscape-design/components/box'
import Container from '@cloudscape-design/components/container'
import ExpandableSection from '@cloudscape-design/components/expandable-section'
import Header from '@cloudscape-design/components/header'
import LineChart from '@cloudscape-design/components/line-chart'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { call } from '../../api/call'
import { type Forecast, type UtilizationSample } from '../../api/shapes'
import { useFormat } from '../../format'
import { Time } from '../../parts/cells'
import { Failure } from '../../parts/error'
import { List } from '../../parts/list'
import { Loading } from '../../parts/loading'
import { common } from '../../parts/text'
import { takenOf, useForecastDetail, useForecastText } from '../../parts/usage'
import { useText } from '../../text'
import { texts } from './text'

const day = 86_400_000
const ranges = [1, 8, 30, 90, 365, 1096] as const

interface Point { x: Date; y: number }

// forecastLine returns the two ends of the line from the newest sample to a full pool.
export function forecastLine(samples: readonly UtilizationSample[], forecast: Forecast | undefined): Point[] {
  const last = samples.at(-1)
  const taken = takenOf(last)
  if (forecast?.Outcome !== 'exhaustion' || forecast.Expected === undefined || last?.Time === undefined || taken === undefined) return []
  return [{ x: new Date(last.Time), y: taken }, { x: new Date(forecast.Expected), y: 100 }]
}

export default function Utilisation({ id }: { id: string }) {
  const t = useText(texts)
  const c = useText(common)
  const f = useFormat()
  const [range, setRange] = useState<number>(30)
  const forecastText = useForecastText()
  const forecastDetail = useForecastDetail()
  // The range begins at a full hour, so that the same question is asked again within it.
  const input = useMemo(() => {
    const now = Math.floor(Date.now() / 3_600_000) * 3_600_000
    return { IpamPoolIds: [id], StartTime: new Date(now - range * day).toISOString() }
  }, [id, range])
  const { data, error, isPending, refetch } = useQuery({
    queryKey: ['GetIpamPoolUtilization', input],
    queryFn: async ({ signal }) => (await call('GetIpamPoolUtilization', input, { signal })).IpamPoolUtilizations?.[0],
  })
  const samples = useMemo(() => (data?.Samples ?? []).filter(s => s.Time !== undefined), [data])
  const line = (of: (s: UtilizationSample) => number | undefined): Point[] => samples.flatMap(s => { const y = of(s); return y === undefined ? [] : [{ x: new Date(s.Time ?? ''), y }] })
  const future = forecastLine(samples, data?.Forecast)
  const label = (days: number) => (days === 365 ? t.chart.year : days === 1096 ? t.chart.years : t.chart.days(days))
  const said = forecastText(data?.Forecast)
  if (error) return <Failure error={error} retry={() => void refetch()} />
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={said === undefined ? t.chart.assignedHelp : <>{t.chart.forecast}: <b>{said}</b> {forecastDetail(data?.Forecast).map(s => <div key={s}>{s}</div>)}</>}
          actions={<SegmentedControl label={t.chart.range} selectedId={String(range)} onChange={e => setRange(Number(e.detail.selectedId))} options={ranges.map(days => ({ id: String(days), text: label(days) }))} />}
        >
          {t.chart.title}
        </Header>
      }
    >
      {isPending ? <Loading /> : (
        <SpaceBetween size="m">
          <LineChart
            ariaLabel={t.chart.title}
            height={280}
            hideFilter
            xScaleType="time"
            yDomain={[0, 100]}
            {...(samples[0]?.Time === undefined ? {} : { xDomain: [new Date(samples[0].Time), future[1] && future[1].x.getTime() - Date.now() < 2 * range * day ? future[1].x : new Date(samples.at(-1)?.Time ?? '')] })}
            xTitle={t.chart.time}
            yTitle={t.chart.percent}
            series={[
              { type: 'line', title: t.chart.allocated, data: line(takenOf), valueFormatter: y => f.percent(y) },
              { type: 'line', title: t.chart.assigned, data: line(s => s.PercentAssigned), valueFormatter: y => f.percent(y) },
              ...(future.length > 0 ? [{ type: 'line' as const, title: t.chart.forecast, data: future, valueFormatter: (y: number) => f.percent(y) }] : []),
              { type: 'threshold', title: t.chart.full, y: 100 },
            ]}
            xTickFormatter={x => f.date(x)}
            yTickFormatter={y => `${y}%`}
            detailPopoverSize="medium"
            empty={<Box textAlign="center" color="inherit">{t.chart.empty}</Box>}
          />
          <ExpandableSection headerText={t.chart.table}>
            <List
              local
              id="pool-utilisation"
              title={t.chart.title}
              source={{ rows: [...samples].reverse(), refresh: () => void refetch() }}
              rowId={s => s.Time ?? ''}
              columns={[
                { id: 'time', header: c.time, text: s => s.Time, cell: s => <Time at={s.Time} />, width: 240 },
                { id: 'allocated', header: t.chart.allocated, text: s => takenOf(s)?.toFixed(2), number: takenOf, cell: s => f.percent(takenOf(s) ?? 0), width: 150 },
                { id: 'assigned', header: t.chart.assigned, text: s => s.PercentAssigned?.toFixed(2), number: s => s.PercentAssigned, cell: s => f.percent(s.PercentAssigned ?? 0), width: 180 },
                { id: 'free', header: t.free, text: s => s.FreeAddresses?.toString(), number: s => s.FreeAddresses, cell: s => (s.FreeAddresses === undefined ? c.none : f.addresses(s.FreeAddresses)), width: 170 },
              ]}
            />
          </ExpandableSection>
        </SpaceBetween>
      )}
    </Container>
  )
}
