// The form that changes a pool's description and rules.
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router'
import { useAct } from '../../acts/act'
import { poolChange, rulesOf } from '../../acts/changes'
import { TextField, useLongFault } from '../../acts/fields'
import { ActForm, Allowed, useChecked, type Faults } from '../../acts/form'
import { hasRegion, step } from '../../acts/plan'
import { acting } from '../../acts/text'
import { call } from '../../api/call'
import { displayName, type Pool as PoolType } from '../../data'
import { Failure } from '../../parts/error'
import { To } from '../../parts/link'
import { Loading } from '../../parts/loading'
import { Page } from '../../parts/page'
import { catalogue, useText } from '../../text'
import { RuleFields, useRuleFaults } from '../create/rules'
import { rules as ruleTexts, sentences } from './rules'
import { texts as poolTexts } from './text'

const texts = catalogue({
  en: {
    titleOf: (pool: string) => `Change ${pool}`, help: 'The description and the rules. Changed rules are valid for the next allocations; allocations that are there stay. The compliance of resources is worked out anew.',
    submit: 'Save', description: (text: string) => (text === '' ? 'The description is removed.' : `The description becomes: ${text}`), rules: 'The rules become:', done: (pool: string) => `The pool ${pool} is changed.`, view: 'Show the rules',
  },
  ja: {
    titleOf: pool => `${pool} の変更`, help: '説明とルールを変更します。変更後のルールは次の割り振りから適用され、既存の割り振りはそのまま残ります。リソースのコンプライアンスは再評価されます。',
    submit: '保存', description: text => (text === '' ? '説明を削除します。' : `説明を変更します: ${text}`), rules: '変更後のルール:', done: pool => `プール ${pool} を変更しました。`, view: 'ルールを表示',
  },
})

export function EditPool() {
  const { id = '' } = useParams()
  const t = useText(texts)
  const p = useText(poolTexts)
  const { data, error } = useQuery({
    queryKey: ['DescribeIpamPools', { IpamPoolIds: [id] }],
    queryFn: async ({ signal }) => (await call('DescribeIpamPools', { IpamPoolIds: [id] }, { signal })).IpamPools?.[0],
  })
  const name = data ? displayName(data.Tags, id) : id
  return (
    <Page title={t.titleOf(name)} description={t.help} crumbs={[{ text: p.pools, href: '/pools' }, { text: name, href: `/pools/${encodeURIComponent(id)}` }]}>
      {error ? <Failure error={error} /> : !data ? <Loading /> : <Allowed operation="ModifyIpamPool"><Edit key={id} pool={data} id={id} name={name} /></Allowed>}
    </Page>
  )
}

function Edit({ pool: given, id, name }: { pool: PoolType; id: string; name: string }) {
  const t = useText(texts)
  const p = useText(poolTexts)
  const a = useText(acting)
  const r = useText(ruleTexts)
  const navigate = useNavigate()
  const [pool] = useState(given)
  const [description, setDescription] = useState(pool.Description ?? '')
  const [rules, setRules] = useState(() => rulesOf(pool))
  const family = pool.AddressFamily === 'ipv6' ? 'ipv6' : 'ipv4'
  const faults: Faults = { description: useLongFault()(description), ...useRuleFaults()(rules) }
  const checked = useChecked(faults)
  const change = poolChange(pool, { description, rules })
  const plan = change === undefined ? [] : [step('pool', 'ModifyIpamPool', { IpamPoolId: id, ...change })]
  const back = `/pools/${encodeURIComponent(id)}`
  const act = useAct({
    outcome: () => ({ header: t.done(name), content: <To href={`${back}?tab=rules`} color="inverted">{t.view}</To> }),
    then: () => void navigate(`${back}?tab=rules`),
  })
  const after = sentences({ ...pool, AllocationMinNetmaskLength: rules.min, AllocationMaxNetmaskLength: rules.max, AllocationDefaultNetmaskLength: rules.standard, AllocationResourceTags: [...rules.tags], AutoImport: rules.autoImport }, r)
  const ruled = change !== undefined && Object.entries(change).some(([k, v]) => k !== 'Description' && v !== undefined)
  const effects = [
    ...(change?.Description === undefined ? [] : [t.description(change.Description)]),
    ...(ruled ? [<>{t.rules}<ul key="rules" className="acts-what">{after.map(s => <li key={s} className="break">{s}</li>)}</ul></>] : []),
  ]
  return (
    <ActForm {...checked} plan={plan} effects={effects} act={act} faults={faults} submitLabel={t.submit} back={back}>
      <Container header={<Header variant="h2">{a.fields.description}</Header>}>
        <TextField label={a.fields.description} value={description} set={setDescription} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional />
      </Container>
      <Container header={<Header variant="h2" description={p.rulesHelp}>{p.tabs.rules}</Header>}>
        <RuleFields rules={rules} set={setRules} shown={checked.shown} family={family} importable={hasRegion(pool.Locale) && pool.IpamScopeType !== 'public'} />
      </Container>
    </ActForm>
  )
}
