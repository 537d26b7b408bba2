// A custom allocation from a pool: by length or by CIDR, with a preview and its place among the neighbours.
import FormField from '@cloudscape-design/components/form-field'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { useNavigate, useParams, useSearchParams } from 'react-router'
import { useAct } from '../../acts/act'
import { CidrField, LengthField, TagsField, TextField, useCidrFault, useLengthText, useLongFault, useTagTexts } from '../../acts/fields'
import { ActForm, Allowed, useChecked, type Faults } from '../../acts/form'
import { hasRegion, step } from '../../acts/plan'
import { acting } from '../../acts/text'
import { canonical, cidrFault, firstLength, lengthsOf, named, tagSpecifications, text, type Family, type Tag } from '../../acts/values'
import { call } from '../../api/call'
import { collect } from '../../api/paging'
import { contains, parseCidr } from '../../cidr'
import { displayName, poolCidrsOf, type Pool as PoolType } from '../../data'
import { Failure } from '../../parts/error'
import { To } from '../../parts/link'
import { Loading } from '../../parts/loading'
import { Page } from '../../parts/page'
import { catalogue, useText } from '../../text'
import { Among } from './among'
import { rules, sentences } from './rules'
import { texts as poolTexts } from './text'

const texts = catalogue({
  en: {
    title: 'Allocate', titleOf: (pool: string) => `Allocate from ${pool}`, help: 'A custom allocation keeps a CIDR for a use outside of EC2, or for a VPC that you create with this CIDR. Nobody else gets it until it is released.',
    by: 'Choose the space', byLength: 'By netmask length', byCidr: 'By CIDR', space: 'Space', use: 'Use', cidr: 'CIDR',
    next: (cidr: string) => `The pool would give ${cidr}.`, fits: (cidr: string) => `${cidr} is free.`, asking: 'Asking the API which CIDR it would give',
    willLength: (pool: string, cidr: string) => `The pool ${pool} gives ${cidr}, as long as nobody takes it before; else the next free block of this length.`, willCidr: (pool: string, cidr: string) => `The pool ${pool} gives exactly ${cidr}, or refuses.`,
    size: (addresses: string) => `It has ${addresses}.`, description: (text: string) => `Its description is: ${text}`, tags: (tags: string) => `It has the tags ${tags}.`,
    submit: 'Allocate', done: (cidr: string) => `${cidr} is allocated.`, view: 'Show the allocations of the pool', noCidr: 'The pool has no provisioned CIDR yet.', rulesOf: 'Rules of the pool',
  },
  ja: {
    title: '割り振り', titleOf: pool => `${pool} からの割り振り`, help: 'カスタム割り振りは、EC2 以外の用途、またはこの CIDR で作成する VPC のために CIDR を確保します。解放するまで他に割り振られることはありません。',
    by: '空間の選択方法', byLength: 'ネットマスク長で指定', byCidr: 'CIDR で指定', space: '空間', use: '用途', cidr: 'CIDR',
    next: cidr => `割り振られる CIDR: ${cidr}`, fits: cidr => `${cidr} は空いています。`, asking: '割り振られる CIDR を API に確認しています',
    willLength: (pool, cidr) => `プール ${pool} から ${cidr} を割り振ります。先に他で使用された場合は、同じ長さの次の空きブロックになります。`, willCidr: (pool, cidr) => `プール ${pool} から ${cidr} を割り振ります。空いていない場合は拒否されます。`,
    size: addresses => `大きさは ${addresses} です。`, description: text => `説明: ${text}`, tags: tags => `タグ: ${tags}`,
    submit: '割り振る', done: cidr => `${cidr} を割り振りました。`, view: 'プールの割り振りを表示', noCidr: 'プールにプロビジョンされた CIDR がまだありません。', rulesOf: 'プールのルール',
  },
})

export function Allocate() {
  const { id = '' } = useParams()
  const t = useText(texts)
  const p = useText(poolTexts)
  const pool = useQuery({
    queryKey: ['DescribeIpamPools', { IpamPoolIds: [id] }],
    queryFn: async ({ signal }) => (await call('DescribeIpamPools', { IpamPoolIds: [id] }, { signal })).IpamPools?.[0],
  })
  const cidrs = useQuery({
    queryKey: ['GetIpamPoolCidrs', id, 'first'],
    queryFn: async ({ signal }) => (await collect('GetIpamPoolCidrs', { IpamPoolId: id }, poolCidrsOf, { signal })).rows,
  })
  const name = pool.data ? displayName(pool.data.Tags, id) : id
  const roots = cidrs.data?.flatMap(c => (c.State === 'provisioned' && c.Cidr !== undefined ? [c.Cidr] : []))
  const error = pool.error ?? cidrs.error
  return (
    <Page title={t.titleOf(name)} description={t.help} crumbs={[{ text: p.pools, href: '/pools' }, { text: name, href: `/pools/${encodeURIComponent(id)}` }]}>
      {error ? <Failure error={error} /> : !pool.data || !roots ? <Loading /> : <Allowed operation="AllocateIpamPoolCidr"><AllocateForm key={id} pool={pool.data} roots={roots} id={id} name={name} /></Allowed>}
    </Page>
  )
}

function AllocateForm({ pool, roots, id, name }: { pool: PoolType; roots: readonly string[]; id: string; name: string }) {
  const t = useText(texts)
  const a = useText(acting)
  const r = useText(rules)
  const navigate = useNavigate()
  const [search] = useSearchParams()
  const family: Family = pool.AddressFamily === 'ipv6' ? 'ipv6' : 'ipv4'
  const lengths = useMemo(() => lengthsOf(pool, roots), [pool, roots])
  const asked = search.get('cidr')
  const [by, setBy] = useState<'length' | 'cidr'>(asked === null ? 'length' : 'cidr')
  const [length, setLength] = useState(() => firstLength(pool, lengths))
  const [cidr, setCidr] = useState(asked ?? '')
  const [title, setTitle] = useState('')
  const [description, setDescription] = useState('')
  const [tags, setTags] = useState<Tag[]>([])
  const say = useLengthText(family)
  const cidrText = useCidrFault()(cidr, family)
  const tagTexts = useTagTexts()(tags)
  const faults: Faults = {
    space: by === 'cidr' ? cidrText : length === undefined ? a.faults.length : undefined,
    description: useLongFault()(description),
    tags: tagTexts.find(s => s !== undefined),
  }
  const checked = useChecked(faults)
  const given = by === 'cidr' ? { Cidr: canonical(cidr) } : { NetmaskLength: length }
  const region = hasRegion(pool.Locale) ? pool.Locale : undefined
  const preview = usePreview(id, given, faults.space === undefined, region)
  const all = named(title, tags)
  const plan = [step('allocation', 'AllocateIpamPoolCidr', { IpamPoolId: id, ...given, Description: text(description), TagSpecifications: tagSpecifications('ipam-pool-allocation', all) }, { region })]
  const act = useAct({
    outcome: answers => {
      const made = (answers.get('allocation') as { IpamPoolAllocation?: { Cidr?: string } } | undefined)?.IpamPoolAllocation?.Cidr ?? ''
      return { header: t.done(made), content: <To href={`/pools/${encodeURIComponent(id)}?tab=allocations`} color="inverted">{t.view}</To> }
    },
    then: () => void navigate(`/pools/${encodeURIComponent(id)}`),
  })
  const chosen = parseCidr(by === 'cidr' ? (cidrFault(cidr, family) === undefined ? cidr : '') : (preview.data ?? ''))
  const shown = by === 'cidr' ? canonical(cidr) : (preview.data ?? `/${length ?? ''}`)
  const effects = [
    by === 'cidr' ? t.willCidr(name, shown) : t.willLength(name, shown),
    ...(chosen ? [t.size(say(chosen.length))] : []),
    ...(text(description) === undefined ? [] : [t.description(description.trim())]),
    ...(all.length === 0 ? [] : [t.tags(all.map(g => `${g.Key}=${g.Value}`).join(', '))]),
  ]
  const inside = chosen && roots.some(root => { const c = parseCidr(root); return c !== undefined && contains(c, chosen) })
  return (
    <ActForm
      {...checked}
      plan={plan}
      effects={effects}
      act={act}
      faults={faults}
      submitLabel={t.submit}
      back={`/pools/${encodeURIComponent(id)}`}
    >
      <Container header={<Header variant="h2" description={roots.length === 0 ? t.noCidr : undefined}>{t.space}</Header>}>
        <SpaceBetween size="m">
          <FormField label={t.by}>
            <SegmentedControl label={t.by} selectedId={by} onChange={e => setBy(e.detail.selectedId === 'cidr' ? 'cidr' : 'length')} options={[{ id: 'length', text: t.byLength }, { id: 'cidr', text: t.byCidr }]} />
          </FormField>
          <div className="chooser">
            {by === 'length'
              ? <LengthField label={a.fields.length} family={family} lengths={lengths} value={length} set={setLength} fault={checked.shown['space']} />
              : <CidrField label={t.cidr} value={cidr} set={setCidr} fault={checked.shown['space']} family={family} />}
          </div>
          <div role="status" aria-live="polite">
            {preview.error ? <Failure error={preview.error} />
              : preview.isFetching ? <StatusIndicator type="loading">{t.asking}</StatusIndicator>
                : preview.data === undefined ? null : <StatusIndicator type="success">{by === 'cidr' ? t.fits(preview.data) : t.next(preview.data)}</StatusIndicator>}
          </div>
          {chosen && inside ? <Among pool={id} cidr={chosen} roots={roots} /> : null}
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">{t.use}</Header>}>
        <SpaceBetween size="m">
          <TextField label={a.fields.name} value={title} set={setTitle} help={a.fields.nameHelp} optional />
          <TextField label={a.fields.description} value={description} set={setDescription} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional />
          <TagsField tags={tags} set={setTags} faults={checked.shown['tags'] === undefined ? [] : tagTexts} />
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">{t.rulesOf}</Header>}>
        <ul className="acts-what">{sentences(pool, r).map(s => <li key={s} className="break">{s}</li>)}</ul>
      </Container>
    </ActForm>
  )
}

// usePreview asks the API which CIDR it would give. It takes nothing. It waits until the viewer has stopped typing.
function usePreview(pool: string, given: { Cidr?: string; NetmaskLength?: number | undefined }, enabled: boolean, region: string | undefined) {
  const key = JSON.stringify(given)
  const [settled, setSettled] = useState(key)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(key), 300)
    return () => clearTimeout(timer)
  }, [key])
  return useQuery({
    queryKey: ['AllocateIpamPoolCidr', pool, settled, 'preview'],
    queryFn: async ({ signal }) => (await call('AllocateIpamPoolCidr', { IpamPoolId: pool, ...(JSON.parse(settled) as object), PreviewNextCidr: true }, { signal, region })).IpamPoolAllocation?.Cidr,
    enabled: enabled && settled === key,
    staleTime: 0,
    retry: false,
  })
}
