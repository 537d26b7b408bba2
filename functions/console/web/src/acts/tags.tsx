// The dialog that changes the tags of an object.
import Box from '@cloudscape-design/components/box'
import { useState } from 'react'
import { useText } from '../text'
import { useAct } from './act'
import { asking } from './dialogtext'
import { TagsField, useTagTexts } from './fields'
import { Dialog, useChecked } from './form'
import { step } from './plan'
import { tagChange, type Tag } from './values'

// ofStack reports whether a tag belongs to a template or to AWS.
function ofStack(key: string): boolean {
  return /^(aws|cadastre):/i.test(key)
}

export function TagsDialog({ id, name, tags: given, close }: { id: string; name: string; tags: readonly { Key?: string; Value?: string }[] | undefined; close: () => void }) {
  const t = useText(asking)
  const [have] = useState(() => (given ?? []).map(g => ({ Key: g.Key ?? '', Value: g.Value ?? '' })))
  const [tags, setTags] = useState<Tag[]>(() => have.filter(g => !ofStack(g.Key)))
  const texts = useTagTexts()(tags)
  const faults = { tags: texts.find(s => s !== undefined) }
  const checked = useChecked(faults)
  const { set, remove } = tagChange(have.filter(g => !ofStack(g.Key)), tags)
  const plan = [
    ...(set.length === 0 ? [] : [step('set', 'CreateTags', { Resources: [id], Tags: set })]),
    ...(remove.length === 0 ? [] : [step('remove', 'DeleteTags', { Resources: [id], Tags: remove })]),
  ]
  const act = useAct({ outcome: () => ({ header: t.tags_.done(name) }), then: close })
  const say = (g: Tag) => `${g.Key}=${g.Value}`
  return (
    <Dialog {...checked} title={t.tags_.title(name)} plan={plan} effects={[...set.map(g => t.tags_.set(say(g))), ...remove.map(g => t.tags_.remove(say(g)))]} act={act} faults={faults} submitLabel={t.save} close={close}>
      <TagsField tags={tags} set={setTags} faults={checked.shown['tags'] === undefined ? [] : texts} />
      {have.some(g => ofStack(g.Key)) ? <Box color="text-body-secondary">{t.tags_.stack}</Box> : null}
    </Dialog>
  )
}
