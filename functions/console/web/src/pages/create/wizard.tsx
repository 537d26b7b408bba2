// The wizard of the first address plan: IPAM, space, rules.
import Checkbox from '@cloudscape-design/components/checkbox'
import Container from '@cloudscape-design/components/container'
import FormField from '@cloudscape-design/components/form-field'
import Grid from '@cloudscape-design/components/grid'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import RadioGroup from '@cloudscape-design/components/radio-group'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator from '@cloudscape-design/components/status-indicator'
import Wizard from '@cloudscape-design/components/wizard'
import Button from '@cloudscape-design/components/button'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { useAct } from '../../acts/act'
import { Before, During } from '../../acts/before'
import { ChoiceField, CidrField, LengthField, RegionsField, TextField, useCidrFault, useLongFault } from '../../acts/fields'
import { Allowed, faulty, useChecked, type Faults } from '../../acts/form'
import { acting } from '../../acts/text'
import { bitsOf, canonical, cidrFault, type Family } from '../../acts/values'
import { parseCidr } from '../../cidr'
import { displayName, idOf, useIpams, useScopeName, useScopes, type Ipam, type Scope } from '../../data'
import { Failure } from '../../parts/error'
import { To } from '../../parts/link'
import { Loading } from '../../parts/loading'
import { Page } from '../../parts/page'
import { useAccess, useSession } from '../../session'
import { useText } from '../../text'
import { rules as ruleTexts, sentences } from '../pool/rules'
import { fits, noRules, partOf, ruleMembers, wizardPlan, type Rules, type Wish } from './plans'
import { RuleFields, useRuleFaults } from './rules'
import { texts } from './text'

export function WizardPage() {
  const t = useText(texts)
  const ipams = useIpams()
  const scopes = useScopes()
  const error = ipams.error ?? scopes.error
  return (
    <Page title={t.title} description={t.help}>
      {error ? <Failure error={error} retry={() => { void ipams.refetch(); void scopes.refetch() }} /> : !ipams.data || !scopes.data ? <Loading /> : (
        <Allowed operation="CreateIpamPool"><Plan ipams={ipams.data} scopes={scopes.data} /></Allowed>
      )}
    </Page>
  )
}

const pageNames = ['ipam', 'space', 'rules', 'review'] as const
const columns = [4, 4, 4].map(xxs => ({ colspan: { default: 12, xxs } }))
const empty = { name: '', description: '' }

function Plan({ ipams, scopes: all }: { ipams: readonly Ipam[]; scopes: readonly Scope[] }) {
  const t = useText(texts)
  const a = useText(acting)
  const navigate = useNavigate()
  const session = useSession()
  const home = useAccess()?.HomeRegion ?? session.Region
  // The lists are read again once the IPAM is made; the form keeps the lists of its beginning.
  const [scopes] = useState(() => all.filter(s => s.IpamScopeType === 'private'))
  const [known] = useState(ipams)
  const [page, setPage] = useState(0)
  const [existing, setExisting] = useState(known.length > 0)
  const [scope, setScope] = useState(() => (scopes.find(s => s.IsDefault === true) ?? scopes[0])?.IpamScopeId)
  const [ipam, setIpam] = useState(empty)
  const [chosenRegions, setRegions] = useState<string[]>([home])
  const [family, setFamily] = useState<Family>('ipv4')
  const [top, setTop] = useState({ name: 'top-level-pool', cidr: '10.0.0.0/8' })
  const [parts, setParts] = useState<Record<string, { on: boolean; name?: string; length?: number }>>({})
  const [rules, setRules] = useState<Rules>({ ...noRules, min: 16, max: 28, standard: 24 })

  const owner = known.find(i => i.IpamId === idOf(scopes.find(s => s.IpamScopeId === scope)?.IpamArn)) ?? known[0]
  const regions = existing ? (owner?.OperatingRegions ?? []).flatMap(r => r.RegionName ?? []) : chosenRegions
  const whole = cidrFault(top.cidr, family) === undefined ? parseCidr(top.cidr)?.length : undefined
  const on = regions.filter(r => parts[r]?.on ?? true)
  const wish: Wish = {
    scope: existing ? scope : undefined,
    ipam: { ...ipam, regions: chosenRegions },
    family, top,
    regions: on.map(region => ({ region, name: parts[region]?.name ?? `${region}-pool`, length: parts[region]?.length ?? partOf(whole ?? 8, regions.length, bitsOf(family)) })),
    rules,
  }
  const plan = wizardPlan(wish)
  const cidrText = useCidrFault()
  const long = useLongFault()
  const ruleFaults = useRuleFaults()(rules)
  const faults: Faults[] = [
    { description: long(ipam.description), scope: existing && scope === undefined ? a.faults.choose : undefined, regions: !existing && chosenRegions.length === 0 ? a.faults.regions : undefined },
    { cidr: cidrText(top.cidr, family), parts: whole !== undefined && !fits(whole, wish.regions.map(r => r.length)) ? t.space.tooMuch : undefined },
    ruleFaults,
    {},
  ]
  const checked = useChecked(Object.assign({}, ...faults) as Faults)
  const act = useAct({
    outcome: () => ({ header: t.done, content: <To href="/pools" color="inverted">{t.viewPools}</To> }),
    then: () => void navigate('/pools'),
  })
  const name = (text: string) => (text.trim() === '' ? t.unnamed : text.trim())
  const effects = [
    ...(existing ? [] : [t.will.ipam(chosenRegions.join(', ')), t.will.scopes]),
    t.will.top(name(top.name), canonical(top.cidr)),
    ...wish.regions.map(r => t.will.region(name(r.name), r.region, `/${r.length}`)),
  ]
  const change = (region: string, part: Partial<{ on: boolean; name: string; length: number }>) => setParts({ ...parts, [region]: { on: true, ...parts[region], ...part } })
  const toPage = (to: number) => {
    // A step is left only if it and those before it are complete.
    for (let i = 0; i < to; i++) {
      if (!checked.check(Object.keys(faults[i] ?? {}))) return setPage(i)
    }
    setPage(to)
  }
  const pages = {
    ipam: (
      <Container>
        <SpaceBetween size="l">
          {known.length > 0 ? (
            <FormField label={t.ipam.which}>
              <RadioGroup
                ariaLabel={t.ipam.which}
                value={existing ? 'existing' : 'new'}
                onChange={e => setExisting(e.detail.value === 'existing')}
                items={[{ value: 'existing', label: t.ipam.existing, description: t.ipam.existingHelp, disabled: act.begun }, { value: 'new', label: t.ipam.new, description: t.ipam.newHelp, disabled: act.begun }]}
              />
            </FormField>
          ) : null}
          {existing ? <ScopeChoice scopes={scopes} ipams={known} value={scope} set={setScope} fault={checked.shown['scope']} disabled={act.begun} /> : (
            <SpaceBetween size="l">
              <TextField label={a.fields.name} value={ipam.name} set={name => setIpam({ ...ipam, name })} help={a.fields.nameHelp} optional disabled={act.done('ipam')} />
              <TextField label={a.fields.description} value={ipam.description} set={description => setIpam({ ...ipam, description })} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional disabled={act.done('ipam')} />
              <RegionsField value={chosenRegions} set={setRegions} home={home} fault={checked.shown['regions']} disabled={act.done('ipam')} />
            </SpaceBetween>
          )}
        </SpaceBetween>
      </Container>
    ),
    space: (
      <SpaceBetween size="l">
        <Container header={<Header variant="h2">{t.space.top}</Header>}>
          <SpaceBetween size="l">
            <FormField label={t.space.family}>
              <SegmentedControl
                label={t.space.family}
                selectedId={family}
                options={[{ id: 'ipv4', text: 'IPv4', disabled: act.begun }, { id: 'ipv6', text: 'IPv6', disabled: act.begun }]}
                onChange={e => {
                  const next: Family = e.detail.selectedId === 'ipv6' ? 'ipv6' : 'ipv4'
                  setFamily(next)
                  setTop({ ...top, cidr: next === 'ipv6' ? 'fd80:0:1::/48' : '10.0.0.0/8' })
                  setParts({})
                  setRules(next === 'ipv6' ? noRules : { ...noRules, min: 16, max: 28, standard: 24 })
                }}
              />
            </FormField>
            <TextField label={t.space.topName} value={top.name} set={name => setTop({ ...top, name })} help={a.fields.nameHelp} optional disabled={act.done('top')} />
            <CidrField label={t.space.cidr} value={top.cidr} set={cidr => setTop({ ...top, cidr })} fault={checked.shown['cidr']} family={family} disabled={act.done('top-cidr')} />
          </SpaceBetween>
        </Container>
        <Container header={<Header variant="h2" description={t.space.regionalHelp}>{t.space.regional}</Header>}>
          <FormField stretch errorText={checked.shown['parts']}>
            <SpaceBetween size="m">
              {regions.map(region => {
                const part = wish.regions.find(r => r.region === region)
                const made = act.done(`pool-${region}`)
                return (
                  <Grid key={region} gridDefinition={columns}>
                    <Checkbox checked={part !== undefined} disabled={made} onChange={e => change(region, { on: e.detail.checked })}>{t.space.pool(region)}</Checkbox>
                    {part ? <FormField label={t.space.name}><Input ariaLabel={`${t.space.name}: ${region}`} value={part.name} onChange={e => change(region, { name: e.detail.value })} disabled={made} /></FormField> : null}
                    {part ? <LengthField label={`${t.space.length}: ${region}`} family={family} lengths={lengthsBelow(whole ?? 0, family)} value={part.length} set={length => change(region, length === undefined ? {} : { length })} disabled={act.done(`pool-${region}-cidr`)} /> : null}
                  </Grid>
                )
              })}
              {on.length === 0 ? <StatusIndicator type="warning">{t.space.none}</StatusIndicator> : null}
            </SpaceBetween>
          </FormField>
        </Container>
      </SpaceBetween>
    ),
    rules: (
      <Container header={<Header variant="h2">{t.rules.of(on.length === 0 ? name(top.name) : wish.regions.map(r => name(r.name)).join(', '))}</Header>}>
        <RuleFields rules={rules} set={setRules} shown={checked.shown} family={family} importable={on.length > 0} disabled={act.begun && (act.done(on.length === 0 ? 'top' : `pool-${on[0] ?? ''}`))} />
      </Container>
    ),
    review: (
      <SpaceBetween size="l">
        <Reviewed wish={wish} owner={owner} page={toPage} />
        <Container><Before plan={faults.some(faulty) ? undefined : plan} effects={effects} open /></Container>
        <During plan={plan} act={act} describe={s => wish.regions.find(r => s.id.startsWith(`pool-${r.region}`))?.name ?? (s.id.startsWith('top') ? top.name : undefined)} />
      </SpaceBetween>
    ),
  }
  return (
    <div ref={checked.place}>
      <Wizard
        activeStepIndex={page}
        onNavigate={e => toPage(e.detail.requestedStepIndex)}
        onCancel={() => void navigate('/pools')}
        onSubmit={() => { if (!act.running && checked.check()) act.submit(plan) }}
        isLoadingNextStep={act.running}
        submitButtonText={t.wizard.create}
        i18nStrings={{
          stepNumberLabel: t.wizard.step, collapsedStepsLabel: t.wizard.of, cancelButton: a.cancel, previousButton: t.wizard.previous, nextButton: t.wizard.next, navigationAriaLabel: t.wizard.navigation,
          optional: a.optional,
        }}
        steps={pageNames.map(id => ({ title: t.wizard[id], description: id === 'review' ? undefined : t[id].help, content: pages[id] }))}
      />
    </div>
  )
}

function lengthsBelow(whole: number, family: Family): number[] {
  const to = family === 'ipv6' ? 64 : 28
  return Array.from({ length: Math.max(1, to - whole) }, (_, i) => Math.min(whole + 1 + i, bitsOf(family)))
}

// ScopeChoice chooses a private scope of the IPAMs.
export function ScopeChoice({ scopes, ipams, value, set, fault, disabled = false }: { scopes: readonly Scope[]; ipams: readonly Ipam[]; value: string | undefined; set: (id: string) => void; fault?: string | undefined; disabled?: boolean }) {
  const t = useText(texts)
  const scopeName = useScopeName()
  const of = (s: Scope) => { const ipam = ipams.find(i => i.IpamId === idOf(s.IpamArn)); return ipam ? displayName(ipam.Tags, ipam.IpamId) : undefined }
  return <ChoiceField label={t.ipam.scope} choices={scopes.map(s => ({ value: s.IpamScopeId ?? '', label: scopeName(s), description: of(s) }))} value={value} set={set} fault={fault} disabled={disabled} />
}

function Reviewed({ wish, owner, page }: { wish: Wish; owner: Ipam | undefined; page: (n: number) => void }) {
  const t = useText(texts)
  const r = useText(ruleTexts)
  const edit = (n: number, title: string) => <Button onClick={() => page(n)} ariaLabel={`${t.wizard.edit}: ${title}`}>{t.wizard.edit}</Button>
  const said = sentences({ ...ruleMembers(wish.rules), AutoImport: wish.rules.autoImport, Locale: wish.regions.length === 0 ? 'None' : wish.regions.map(p => p.region).join(', ') }, r)
  return (
    <Container>
      <KeyValuePairs
        columns={3}
        items={[
          { label: t.wizard.ipam, value: <>{wish.scope === undefined ? [wish.ipam.name === '' ? t.unnamed : wish.ipam.name, wish.ipam.regions.join(', ')].join(' · ') : t.review.existing(displayName(owner?.Tags, owner?.IpamId))}<div>{edit(0, t.wizard.ipam)}</div></> },
          { label: t.wizard.space, value: <><div>{wish.top.name} · {canonical(wish.top.cidr)}</div>{wish.regions.map(p => <div key={p.region}>{p.name} · {p.region} · /{p.length}</div>)}<div>{edit(1, t.wizard.space)}</div></> },
          { label: t.wizard.rules, value: <>{said.map(s => <div key={s}>{s}</div>)}<div>{edit(2, t.wizard.rules)}</div></> },
        ]}
      />
    </Container>
  )
}
