// The acts on IPAMs and scopes.
import Button from '@cloudscape-design/components/button'
import ButtonDropdown from '@cloudscape-design/components/button-dropdown'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { displayName, type Ipam, type Scope } from '../data'
import { useMay } from '../session'
import { useText } from '../text'
import { useAct } from './act'
import { ipamChange } from './changes'
import { asking } from './dialogtext'
import { RegionsField, TextField, useLongFault } from './fields'
import { Dialog, useChecked } from './form'
import { step } from './plan'
import { DeleteIpam, DeleteScope } from './remove'
import { TagsDialog } from './tags'
import { acting } from './text'

export function IpamActs({ ipam }: { ipam: Ipam }) {
  const t = useText(asking)
  const may = useMay()
  const [open, setOpen] = useState<string>()
  const items = [
    ...(may('ModifyIpam') ? [{ id: 'edit', text: t.change }] : []),
    ...(may('CreateTags') && may('DeleteTags') ? [{ id: 'tags', text: t.editTags }] : []),
    ...(may('DeleteIpam') ? [{ id: 'delete', text: t.delete }] : []),
  ]
  const close = () => setOpen(undefined)
  if (items.length === 0) return null
  return (
    <>
      <ButtonDropdown items={items} onItemClick={e => setOpen(e.detail.id)}>{t.actions}</ButtonDropdown>
      {open === 'edit' ? <EditIpam ipam={ipam} close={close} /> : null}
      {open === 'tags' ? <TagsDialog id={ipam.IpamId ?? ''} name={displayName(ipam.Tags, ipam.IpamId)} tags={ipam.Tags} close={close} /> : null}
      {open === 'delete' ? <DeleteIpam ipam={ipam} close={close} /> : null}
    </>
  )
}

function EditIpam({ ipam, close }: { ipam: Ipam; close: () => void }) {
  const t = useText(asking)
  const a = useText(acting)
  const [description, setDescription] = useState(ipam.Description ?? '')
  const [regions, setRegions] = useState(() => (ipam.OperatingRegions ?? []).flatMap(r => r.RegionName ?? []).sort())
  const name = displayName(ipam.Tags, ipam.IpamId)
  const faults = { description: useLongFault()(description) }
  const checked = useChecked(faults)
  const change = ipamChange(ipam, { description, regions })
  const plan = change === undefined ? [] : [step('ipam', 'ModifyIpam', { IpamId: ipam.IpamId ?? '', ...change })]
  const act = useAct({ outcome: () => ({ header: t.ipam_.done(name) }), then: close })
  const list = (all: readonly { RegionName: string }[]) => all.map(r => r.RegionName).join(', ')
  const effects = [
    ...(change?.Description === undefined ? [] : [t.ipam_.description(change.Description)]),
    ...(change?.AddOperatingRegions === undefined ? [] : [t.ipam_.add(list(change.AddOperatingRegions))]),
    ...(change?.RemoveOperatingRegions === undefined ? [] : [t.ipam_.remove(list(change.RemoveOperatingRegions))]),
  ]
  return (
    <Dialog {...checked} title={t.ipam_.title(name)} plan={plan} effects={effects} act={act} faults={faults} submitLabel={t.save} close={close}>
      <TextField label={a.fields.description} value={description} set={setDescription} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional />
      <RegionsField value={regions} set={setRegions} home={ipam.IpamRegion ?? ''} />
    </Dialog>
  )
}

// ScopeActs are the acts on the scopes of a list.
export function ScopeActs({ selected }: { selected: readonly Scope[] }) {
  const t = useText(asking)
  const may = useMay()
  const navigate = useNavigate()
  const [open, setOpen] = useState<{ act: string; scope: Scope }>()
  const one = selected[0]
  const items = [
    ...(may('ModifyIpamScope') ? [{ id: 'edit', text: t.describe }] : []),
    ...(may('CreateTags') && may('DeleteTags') ? [{ id: 'tags', text: t.editTags }] : []),
    ...(may('DeleteIpamScope') ? [{ id: 'delete', text: t.delete, disabled: one?.IsDefault === true, ...(one?.IsDefault === true ? { disabledReason: t.isDefault } : {}) }] : []),
  ]
  const close = () => setOpen(undefined)
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {items.length === 0 ? null : <ButtonDropdown items={items} disabled={!one} disabledReason={t.select} onItemClick={e => { if (one) setOpen({ act: e.detail.id, scope: one }) }}>{t.actions}</ButtonDropdown>}
      {may('CreateIpamScope') ? <Button onClick={() => void navigate('/create?step=scope')}>{t.createScope}</Button> : null}
      {open?.act === 'edit' ? <EditScope scope={open.scope} close={close} /> : null}
      {open?.act === 'tags' ? <TagsDialog id={open.scope.IpamScopeId ?? ''} name={open.scope.IpamScopeId ?? ''} tags={open.scope.Tags} close={close} /> : null}
      {open?.act === 'delete' ? <DeleteScope scope={open.scope} close={close} /> : null}
    </SpaceBetween>
  )
}

function EditScope({ scope, close }: { scope: Scope; close: () => void }) {
  const t = useText(asking)
  const a = useText(acting)
  const id = scope.IpamScopeId ?? ''
  const [text, setText] = useState(scope.Description ?? '')
  const faults = { description: useLongFault()(text) }
  const checked = useChecked(faults)
  const plan = text.trim() === (scope.Description ?? '') ? [] : [step('scope', 'ModifyIpamScope', { IpamScopeId: id, Description: text.trim() })]
  const act = useAct({ outcome: () => ({ header: t.description_.done(id) }), then: close })
  return (
    <Dialog {...checked} title={t.description_.title(id)} plan={plan} effects={[t.description_.what(text.trim())]} act={act} faults={faults} submitLabel={t.save} close={close}>
      <TextField label={a.fields.description} value={text} set={setText} fault={checked.shown['description']} help={a.fields.descriptionHelp} optional />
    </Dialog>
  )
}
