// The form of one more pool: /create?step=pool, with scope or source as parameters.
import Checkbox from '@cloudscape-design/components/checkbox'
import Container from '@cloudscape-design/components/container'
import FormField from '@cloudscape-design/components/form-field'
import Header from '@cloudscape-design/components/header'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import { useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { useAct } from '../../acts/act'
import { ChoiceField, CidrField, LengthField, TagsField, TextField, useCidrFault, useLongFault, useTagTexts } from '../../acts/fields'
import { ActForm, Allowed, useChecked, type Faults } from '../../acts/form'
import { hasRegion } from '../../acts/plan'
import { acting } from '../../acts/text'
import { canonical, provisionLengths, text, type Family, type Tag } from '../../acts/values'
import { displayName, idOf, useIpams, usePools, useScopeName, useScopes, type Ipam, type Pool, type Scope } from '../../data'
import { Failure } from '../../parts/error'
import { query, To } from '../../parts/link'
import { Loading } from '../../parts/loading'
import { Page } from '../../parts/page'
import { useText } from '../../text'
import { texts as poolTexts } from '../pool/text'
import { noRules, poolSteps, type Rules } from './plans'
import { RuleFields, useRuleFaults } from './rules'
import { texts } from './text'

export function NewPoolPage() {
  const t = useText(texts)
  const p = useText(poolTexts)
  const ipams = useIpams()
  const scopes = useScopes()
  const pools = usePools()
  const error = ipams.error ?? scopes.error ?? pools.error
  return (
    <Page title={t.pool.title} description={t.pool.help} crumbs={[{ text: p.pools, href: '/pools' }]}>
      {error ? <Failure error={error} /> : !ipams.data || !scopes.data || !pools.data ? <Loading /> : (
        <Allowed operation="CreateIpamPool"><NewPool ipams={ipams.data} scopes={scopes.data} pools={pools.data} /></Allowed>
      )}
    </Page>
  )
}

function NewPool({ ipams, scopes, pools }: { ipams: readonly Ipam[]; scopes: readonly Scope[]; pools: readonly Pool[] }) {
  const t = useText(texts)
  const a = useText(acting)
  const navigate = useNavigate()
  const scopeName = useScopeName()
  const [search] = useSearchParams()
  const from = pools.find(p => p.IpamPoolId === search.get('source'))
  const [scope, setScope] = useState(() => idOf(from?.IpamScopeArn) ?? (scopes.find(s => s.IpamScopeId === search.get('scope')) ?? scopes.find(s => s.IpamScopeType === 'private' && s.IsDefault === true) ?? scopes[0])?.IpamScopeId ?? '')
  const [sourceId, setSource] = useState(from?.IpamPoolId ?? '')
  const [ownFamily, setFamily] = useState<Family>('ipv4')
  const [ownLocale, setLocale] = useState('None')
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const [tags, setTags] = useState<Tag[]>([])
  const [advertisable, setAdvertisable] = useState(false)
  const [how, setHow] = useState<'length' | 'cidr' | 'later'>(from ? 'length' : 'cidr')
  const [cidr, setCidr] = useState('')
  const [length, setLength] = useState<number>()
  const [rules, setRules] = useState<Rules>(noRules)

  const within = scopes.find(s => s.IpamScopeId === scope)
  const isPublic = within?.IpamScopeType === 'public'
  const source = pools.find(p => p.IpamPoolId === sourceId && idOf(p.IpamScopeArn) === scope)
  const family: Family = source ? (source.AddressFamily === 'ipv6' ? 'ipv6' : 'ipv4') : ownFamily
  const inherited = hasRegion(source?.Locale) ? source?.Locale : undefined
  const locale = inherited ?? ownLocale
  const regions = (ipams.find(i => i.IpamId === idOf(within?.IpamArn))?.OperatingRegions ?? []).flatMap(r => r.RegionName ?? [])
  // A top-level IPv4 pool takes its space from no other pool, so a length has nothing to choose from.
  const byLength = source !== undefined || family === 'ipv6'
  const spaceless = isPublic && source === undefined
  const kind = spaceless ? 'later' : how === 'length' && !byLength ? 'cidr' : how
  const tagTexts = useTagTexts()(tags)
  const cidrText = useCidrFault()
  const faults: Faults = {
    scope: within === undefined ? a.faults.choose : undefined,
    space: kind === 'cidr' ? cidrText(cidr, family) : kind === 'length' && length === undefined ? a.faults.length : undefined,
    description: useLongFault()(description),
    tags: tagTexts.find(s => s !== undefined),
    ...useRuleFaults()(rules),
  }
  const checked = useChecked(faults)
  const plan = poolSteps('pool', {
    scope, family, source: source?.IpamPoolId, locale: hasRegion(locale) && inherited === undefined ? locale : undefined, name, description, tags, rules: isPublic ? { ...rules, autoImport: false } : rules,
    advertisable: isPublic && family === 'ipv6' ? advertisable : undefined,
  }, kind === 'cidr' ? { Cidr: canonical(cidr) } : kind === 'length' && length !== undefined ? { NetmaskLength: length } : undefined)
  const shown = text(name) ?? t.unnamed
  const made = (answers: ReadonlyMap<string, unknown>) => (answers.get('pool') as { IpamPool?: { IpamPoolId?: string } } | undefined)?.IpamPool?.IpamPoolId ?? ''
  const act = useAct({
    outcome: answers => ({ header: t.donePool(shown), content: <To href={`/pools/${made(answers)}`} color="inverted">{t.viewPool}</To> }),
    then: answers => void navigate(`/pools/${made(answers)}`),
  })
  const effects = [
    source ? t.will.pool(shown, displayName(source.Tags, source.IpamPoolId)) : t.will.topOnly(shown),
    kind === 'cidr' ? t.will.provision(canonical(cidr)) : kind === 'length' ? t.will.provisionLength(`/${length ?? ''}`) : t.will.empty,
    ...(text(description) === undefined ? [] : [t.will.description(description.trim())]),
  ]
  const frozen = act.done('pool')
  const top = { value: '', label: t.pool.noSource }
  return (
    <ActForm {...checked} plan={plan} effects={effects} act={act} faults={faults} submitLabel={t.wizard.create} back={source ? `/pools/${sourceId}` : query('/pools', { scope })}>
      <Container header={<Header variant="h2">{t.pool.place}</Header>}>
        <SpaceBetween size="m">
          <ChoiceField label={t.ipam.scope} choices={scopes.map(s => ({ value: s.IpamScopeId ?? '', label: scopeName(s), description: s.IpamScopeId }))} value={scope} set={id => { setScope(id); setSource('') }} fault={checked.shown['scope']} disabled={frozen} />
          <ChoiceField
            label={t.pool.source}
            choices={[top, ...pools.filter(p => idOf(p.IpamScopeArn) === scope).map(p => ({ value: p.IpamPoolId ?? '', label: displayName(p.Tags, p.IpamPoolId), description: p.IpamPoolId }))]}
            value={source ? sourceId : ''}
            set={id => { setSource(id); setHow(id === '' ? 'cidr' : 'length') }}
            disabled={frozen}
          />
          {source ? null : (
            <FormField label={t.space.family}>
              <SegmentedControl label={t.space.family} selectedId={family} options={[{ id: 'ipv4', text: 'IPv4', disabled: frozen }, { id: 'ipv6', text: 'IPv6', disabled: frozen }]} onChange={e => { setFamily(e.detail.selectedId === 'ipv6' ? 'ipv6' : 'ipv4'); setLength(undefined) }} />
            </FormField>
          )}
          <ChoiceField
            label={t.pool.locale}
            choices={inherited === undefined ? [{ value: 'None', label: t.pool.noLocale }, ...regions.map(value => ({ value, label: value }))] : [{ value: inherited, label: inherited }]}
            value={locale}
            set={setLocale}
            help={inherited === undefined ? t.pool.localeHelp : t.pool.localeOfSource}
            disabled={frozen || inherited !== undefined}
          />
          {isPublic && family === 'ipv6' ? <Checkbox checked={advertisable} disabled={frozen} description={t.pool.advertisableHelp} onChange={e => setAdvertisable(e.detail.checked)}>{t.pool.advertisable}</Checkbox> : null}
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">{t.pool.identity}</Header>}>
        <SpaceBetween size="m">
          <TextField label={a.fields.name} value={name} set={setName} help={a.fields.nameHelp} optional disabled={frozen} />
          <TextField label={a.fields.description} value={description} set={setDescription} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional disabled={frozen} />
          <TagsField tags={tags} set={setTags} faults={checked.shown['tags'] === undefined ? [] : tagTexts} />
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">{t.pool.space}</Header>}>
        {spaceless ? <StatusIndicator type="info">{t.pool.publicTop}</StatusIndicator> : (
          <SpaceBetween size="m">
            <FormField label={t.pool.how}>
              <SegmentedControl
                label={t.pool.how}
                selectedId={kind}
                options={[...(byLength ? [{ id: 'length', text: t.pool.byLength }] : []), { id: 'cidr', text: t.pool.byCidr }, { id: 'later', text: t.pool.later }]}
                onChange={e => setHow(e.detail.selectedId as 'length' | 'cidr' | 'later')}
              />
            </FormField>
            {kind === 'length' ? <LengthField label={a.fields.length} family={family} lengths={provisionLengths(family, source === undefined)} value={length} set={setLength} fault={checked.shown['space']} /> : null}
            {kind === 'cidr' ? <CidrField label="CIDR" value={cidr} set={setCidr} fault={checked.shown['space']} family={family} /> : null}
          </SpaceBetween>
        )}
      </Container>
      <Container header={<Header variant="h2" description={t.rules.help}>{t.wizard.rules}</Header>}>
        <RuleFields rules={rules} set={setRules} shown={checked.shown} family={family} importable={hasRegion(locale) && !isPublic} disabled={frozen} />
      </Container>
    </ActForm>
  )
}
