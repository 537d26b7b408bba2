// The form of one more private scope: /create?step=scope.
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { useAct } from '../../acts/act'
import { ChoiceField, TagsField, TextField, useLongFault, useTagTexts } from '../../acts/fields'
import { ActForm, Allowed, useChecked, type Faults } from '../../acts/form'
import { step } from '../../acts/plan'
import { acting } from '../../acts/text'
import { tagSpecifications, text, type Tag } from '../../acts/values'
import { displayName, useIpams, type Ipam } from '../../data'
import { Failure } from '../../parts/error'
import { To } from '../../parts/link'
import { Loading } from '../../parts/loading'
import { Page } from '../../parts/page'
import { useText } from '../../text'
import { texts } from './text'

export function NewScopePage() {
  const t = useText(texts)
  const { data, error } = useIpams()
  return (
    <Page title={t.scope.title} description={t.scope.help} crumbs={[{ text: t.settings, href: '/settings' }]}>
      {error ? <Failure error={error} /> : !data ? <Loading /> : <Allowed operation="CreateIpamScope"><NewScope ipams={data} /></Allowed>}
    </Page>
  )
}

function NewScope({ ipams }: { ipams: readonly Ipam[] }) {
  const t = useText(texts)
  const a = useText(acting)
  const navigate = useNavigate()
  const [search] = useSearchParams()
  const [ipam, setIpam] = useState(() => (ipams.find(i => i.IpamId === search.get('ipam')) ?? ipams[0])?.IpamId ?? '')
  const [description, setDescription] = useState('')
  const [tags, setTags] = useState<Tag[]>([])
  const tagTexts = useTagTexts()(tags)
  const faults: Faults = { ipam: ipam === '' ? a.faults.choose : undefined, description: useLongFault()(description), tags: tagTexts.find(s => s !== undefined) }
  const checked = useChecked(faults)
  const plan = [step('scope', 'CreateIpamScope', { IpamId: ipam, Description: text(description), TagSpecifications: tagSpecifications('ipam-scope', tags) })]
  const act = useAct({
    outcome: () => ({ header: t.doneScope, content: <To href="/settings" color="inverted">{t.viewScope}</To> }),
    then: () => void navigate('/settings'),
  })
  return (
    <ActForm {...checked} plan={plan} effects={[t.will.scope, ...(text(description) === undefined ? [] : [t.will.description(description.trim())])]} act={act} faults={faults} submitLabel={t.wizard.create} back="/settings">
      <Container header={<Header variant="h2">{a.fields.description}</Header>}>
        <SpaceBetween size="m">
          <ChoiceField label={t.scope.ipam} choices={ipams.map(i => ({ value: i.IpamId ?? '', label: displayName(i.Tags, i.IpamId), description: i.IpamId }))} value={ipam} set={setIpam} fault={checked.shown['ipam']} />
          <TextField label={a.fields.description} value={description} set={setDescription} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional />
          <TagsField tags={tags} set={setTags} faults={checked.shown['tags'] === undefined ? [] : tagTexts} />
        </SpaceBetween>
      </Container>
    </ActForm>
  )
}
