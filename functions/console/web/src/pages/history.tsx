import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Form from '@cloudscape-design/components/form'
import FormField from '@cloudscape-design/components/form-field'
import Grid from '@cloudscape-design/components/grid'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import Select from '@cloudscape-design/components/select'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { type Output } from '../api/call'
import { useRows } from '../api/paging'
import { parseCidr } from '../cidr'
import { type HistoryRecord } from '../data'
import { Account, Id, Region, Status, Text, Time, useTypeName } from '../parts/cells'
import { Failure } from '../parts/error'
import { query, To } from '../parts/link'
import { List, type Column } from '../parts/list'
import { Page } from '../parts/page'
import { ScopeSelect, useScope } from '../parts/scope'
import { common } from '../parts/text'
import { catalogue, useText } from '../text'
import { Timeline } from './timeline'

const texts = catalogue({
  en: {
    title: 'History', help: 'Which resources had a CIDR or an address, when, and with which statuses. Records are kept for three years.', cidr: 'CIDR or address', cidrHelp: 'Exactly this CIDR; an address is asked for as /32 or /128.', invalid: 'Enter a CIDR, as 10.1.0.0/24, or an address.', vpc: 'VPC (optional)', range: 'Time range',
    hours: (n: number) => `Last ${n} hours`, days: (n: number) => `Last ${n} days`, year: 'Last year', years: 'Last three years', all: 'All that is kept', ask: 'Show history', results: 'Records', timeline: 'Time line', empty: 'No resource had exactly this CIDR in this time.', emptyHelp: 'Search shows which pools and larger CIDRs hold it:', start: 'From', end: 'To', now: 'Now', first: 'Enter a CIDR or an address to see who had it.', map: 'Map at the start',
  },
  ja: {
    title: '履歴', help: 'CIDR またはアドレスをどのリソースが、いつ、どのステータスで使用していたかを表示します。記録は 3 年間保持されます。', cidr: 'CIDR またはアドレス', cidrHelp: '完全に一致する CIDR のみを検索します。アドレスは /32 または /128 として検索します。', invalid: 'CIDR (例: 10.1.0.0/24) またはアドレスを入力してください。', vpc: 'VPC (オプション)', range: '期間',
    hours: n => `直近 ${n} 時間`, days: n => `直近 ${n} 日`, year: '直近 1 年', years: '直近 3 年', all: 'すべての記録', ask: '履歴を表示', results: '記録', timeline: 'タイムライン', empty: 'この期間にこの CIDR を使用したリソースはありません。', emptyHelp: 'この CIDR を含むプールや大きな CIDR は検索で確認できます:', start: '開始', end: '終了', now: '現在', first: 'CIDR またはアドレスを入力すると、使用していたリソースを表示します。', map: '開始時のマップ',
  },
})

const ranges = ['12h', '7d', '30d', '365d', '1095d', 'all'] as const

const recordsOf = (o: Output<'GetIpamAddressHistory'>) => o.HistoryRecords

export function History() {
  const t = useText(texts)
  const c = useText(common)
  const typeName = useTypeName()
  const place = useScope()
  const [search, setSearch] = useSearchParams()
  const asked = search.get('cidr') ?? ''
  const vpc = search.get('vpc') ?? ''
  const range = ranges.find(r => r === search.get('range')) ?? 'all'
  const scope = place.scope?.IpamScopeId
  const valid = parseCidr(asked) !== undefined
  const input = useMemo(() => {
    const hours = range === 'all' ? undefined : range.endsWith('h') ? parseInt(range) : parseInt(range) * 24
    // A full minute, so that the same question is asked again within it.
    const now = Math.floor(Date.now() / 60_000) * 60_000
    return { IpamScopeId: scope ?? '', Cidr: exact(asked), ...(vpc === '' ? {} : { VpcId: vpc }), ...(hours === undefined ? {} : { StartTime: new Date(now - hours * 3_600_000).toISOString() }) }
  }, [scope, asked, vpc, range])
  const { rows, loading, error, refresh } = useRows('GetIpamAddressHistory', input, recordsOf, { want: 1000, enabled: valid && scope !== undefined })

  const columns: Column<HistoryRecord>[] = [
    { id: 'resource', header: c.resource, text: r => r.ResourceId, cell: r => <Id id={r.ResourceId} />, width: 230 },
    { id: 'name', header: c.name, text: r => r.ResourceName, cell: r => <Text text={r.ResourceName} />, width: 190 },
    { id: 'start', header: t.start, text: r => r.SampledStartTime, cell: r => <Time at={r.SampledStartTime} />, width: 260 },
    { id: 'end', header: t.end, text: r => r.SampledEndTime, cell: r => (r.SampledEndTime === undefined ? t.now : <Time at={r.SampledEndTime} />), width: 260 },
    { id: 'compliance', header: c.compliance, text: r => r.ResourceComplianceStatus, cell: r => <Status status={r.ResourceComplianceStatus} />, width: 165 },
    { id: 'overlap', header: c.overlap, text: r => r.ResourceOverlapStatus, cell: r => <Status status={r.ResourceOverlapStatus} />, width: 180 },
    { id: 'type', header: c.kind, text: r => r.ResourceType, cell: r => typeName(r.ResourceType), width: 130 },
    { id: 'account', header: c.account, text: r => r.ResourceOwnerId, cell: r => <Account id={r.ResourceOwnerId} />, width: 150 },
    { id: 'region', header: c.region, text: r => r.ResourceRegion, cell: r => <Region name={r.ResourceRegion} />, width: 150 },
    { id: 'vpc', header: c.vpc, text: r => r.VpcId, cell: r => <Id id={r.VpcId} />, hidden: true, width: 230 },
    { id: 'cidr', header: c.cidr, text: r => r.ResourceCidr, hidden: true, width: 160 },
    { id: 'map', header: c.map, text: () => undefined, cell: r => <To href={query('/map', { scope, cidr: r.ResourceCidr, at: r.SampledStartTime })}>{t.map}</To>, width: 150 },
  ]
  return (
    <Page title={t.title} description={t.help}>
      <SpaceBetween size="l">
        <Ask key={`${asked} ${vpc} ${range}`} asked={asked} vpc={vpc} range={range} place={place} ask={change => setSearch(old => {
          const next = new URLSearchParams(old)
          for (const [key, value] of Object.entries(change)) if (value === '') next.delete(key); else next.set(key, value)
          return next
        })} />
        {place.error ? <Failure error={place.error} /> : null}
        {!valid ? <Box color="text-body-secondary" textAlign="center">{t.first}</Box> : (
          <SpaceBetween size="l">
            {rows.length > 0 ? (
              <Container header={<Header variant="h2">{t.timeline}</Header>}>
                <Timeline records={rows} />
              </Container>
            ) : null}
            <List
              local
              id="history"
              title={t.results}
              source={{ rows, loading, error, refresh }}
              columns={columns}
              rowId={r => `${r.ResourceId ?? ''} ${r.SampledStartTime ?? ''} ${r.ResourceComplianceStatus ?? ''} ${r.ResourceOverlapStatus ?? ''}`}
              empty={<>{t.empty} {t.emptyHelp} <To href={query('/search', { q: asked })}>{asked}</To></>}
            />
          </SpaceBetween>
        )}
      </SpaceBetween>
    </Page>
  )
}

// exact returns an address as the CIDR of one.
function exact(text: string): string {
  const trimmed = text.trim()
  return trimmed.includes('/') ? trimmed : `${trimmed}/${trimmed.includes(':') ? 128 : 32}`
}

function Ask({ asked, vpc: askedVpc, range, place, ask }: { asked: string; vpc: string; range: (typeof ranges)[number]; place: ReturnType<typeof useScope>; ask: (change: Record<string, string>) => void }) {
  const t = useText(texts)
  const [cidr, setCidr] = useState(asked)
  const [vpc, setVpc] = useState(askedVpc)
  const [wrong, setWrong] = useState(false)
  const names: Record<(typeof ranges)[number], string> = { '12h': t.hours(12), '7d': t.days(7), '30d': t.days(30), '365d': t.year, '1095d': t.years, all: t.all }
  const [chosen, setChosen] = useState(range)
  const submit = () => {
    if (!parseCidr(cidr)) return setWrong(true)
    setWrong(false)
    ask({ cidr: cidr.trim(), vpc: vpc.trim(), range: chosen === 'all' ? '' : chosen })
  }
  return (
    <form onSubmit={e => { e.preventDefault(); submit() }}>
      <Container>
        <Form actions={<Button variant="primary" formAction="submit">{t.ask}</Button>}>
          <Grid gridDefinition={[{ colspan: { default: 12, m: 3 } }, { colspan: { default: 12, m: 4 } }, { colspan: { default: 12, m: 3 } }, { colspan: { default: 12, m: 2 } }]}>
            <FormField label={t.cidr} constraintText={t.cidrHelp} errorText={wrong ? t.invalid : ''}><Input value={cidr} onChange={e => setCidr(e.detail.value)} placeholder="10.1.0.0/24" spellcheck={false} /></FormField>
            <ScopeSelect {...place} />
            <FormField label={t.vpc}><Input value={vpc} onChange={e => setVpc(e.detail.value)} placeholder="vpc-…" spellcheck={false} /></FormField>
            <FormField label={t.range}><Select selectedOption={{ value: chosen, label: names[chosen] }} options={ranges.map(value => ({ value, label: names[value] }))} onChange={e => setChosen(ranges.find(r => r === e.detail.selectedOption.value) ?? 'all')} /></FormField>
          </Grid>
        </Form>
      </Container>
    </form>
  )
}
