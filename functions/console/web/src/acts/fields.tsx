// The fields of forms.
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Autosuggest from '@cloudscape-design/components/autosuggest'
import FormField from '@cloudscape-design/components/form-field'
import Input from '@cloudscape-design/components/input'
import Select from '@cloudscape-design/components/select'
import SpaceBetween from '@cloudscape-design/components/space-between'
import TokenGroup from '@cloudscape-design/components/token-group'
import { useState, type ReactNode } from 'react'
import { parseCidr, size } from '../cidr'
import { useFormat } from '../format'
import { common } from '../parts/text'
import { useText } from '../text'
import { isRegion, regions as known } from './regions'
import { acting } from './text'
import { addressesOf, cidrFault, hostsOf, tagFaults, type Family, type Tag } from './values'

export function TextField({ label, value, set, fault, help, optional = false, disabled = false, placeholder, focus = false }: {
  label: string; value: string; set: (value: string) => void; fault?: string | undefined; help?: ReactNode; optional?: boolean; disabled?: boolean; placeholder?: string; focus?: boolean
}) {
  const t = useText(acting)
  return (
    <FormField label={optional ? <>{label} <i>– {t.optional}</i></> : label} constraintText={help} errorText={fault}>
      <Input value={value} onChange={e => set(e.detail.value)} disabled={disabled} placeholder={placeholder} autoFocus={focus} autoComplete={false} />
    </FormField>
  )
}

// useLongFault returns a function that gives the error text of a description.
export function useLongFault(): (text: string) => string | undefined {
  const t = useText(acting)
  return text => (Array.from(text.trim()).length > 255 ? t.faults.long : undefined)
}

// useCidrFault returns a function that gives the error text of a CIDR.
export function useCidrFault(): (text: string, family: Family) => string | undefined {
  const t = useText(acting)
  return (text, family) => {
    const fault = cidrFault(text, family)
    switch (fault?.kind) {
      case undefined: return undefined
      case 'empty': return t.faults.cidrEmpty
      case 'form': return t.faults.cidrForm
      case 'family': return t.faults.cidrFamily
      case 'host': return t.faults.cidrHost(fault.canonical)
    }
  }
}

export function CidrField({ label, value, set, fault, family, disabled = false }: { label: string; value: string; set: (value: string) => void; fault?: string | undefined; family: Family; disabled?: boolean }) {
  const t = useText(acting)
  const f = useFormat()
  const cidr = cidrFault(value, family) === undefined ? parseCidr(value.trim()) : undefined
  const help = cidr ? t.fields.addresses(f.addresses(size(cidr))) : t.fields.cidrHelp(family === 'ipv6' ? 'fd80:0:1::/48' : '10.0.0.0/16')
  return <TextField label={label} value={value} set={set} fault={fault} help={help} disabled={disabled} />
}

// useLengthText returns a function that says how many addresses and hosts a length has.
export function useLengthText(family: Family): (length: number) => string {
  const t = useText(acting)
  const f = useFormat()
  return length => {
    const hosts = hostsOf(family, length)
    return [t.fields.addresses(f.addresses(addressesOf(family, length))), ...(hosts === undefined ? [] : [t.fields.hosts(f.number(hosts))])].join(' · ')
  }
}

// LengthField chooses a netmask length. none is the text of the choice of no length, if it may be chosen.
export function LengthField({ label, family, lengths, value, set, fault, none, disabled = false, help }: {
  label: string; family: Family; lengths: readonly number[]; value: number | undefined; set: (value: number | undefined) => void; fault?: string | undefined; none?: string | undefined; disabled?: boolean; help?: ReactNode
}) {
  const t = useText(acting)
  const say = useLengthText(family)
  const option = (n: number) => ({ value: String(n), label: `/${n}`, description: say(n) })
  const options = [...(none === undefined ? [] : [{ value: '', label: none }]), ...lengths.map(option)]
  return (
    <FormField label={label} errorText={fault} constraintText={help ?? (value === undefined ? undefined : say(value))}>
      <Select
        selectedOption={value === undefined ? (none === undefined ? null : { value: '', label: none }) : { value: String(value), label: `/${value}` }}
        options={options}
        onChange={e => set(e.detail.selectedOption.value === '' ? undefined : Number(e.detail.selectedOption.value))}
        placeholder={t.choose}
        disabled={disabled}
        {...(lengths.length > 40 ? { filteringType: 'auto' as const, filteringPlaceholder: t.fields.find } : {})}
      />
    </FormField>
  )
}

export interface Choice {
  value: string
  label: string
  description?: string | undefined
}

// ChoiceField chooses one of a list.
export function ChoiceField({ label, choices, value, set, fault, help, disabled = false }: { label: string; choices: readonly Choice[]; value: string | undefined; set: (value: string) => void; fault?: string | undefined; help?: ReactNode; disabled?: boolean }) {
  const t = useText(acting)
  return (
    <FormField label={label} errorText={fault} constraintText={help}>
      <Select
        selectedOption={choices.find(c => c.value === value) ?? null}
        options={choices}
        onChange={e => set(e.detail.selectedOption.value ?? '')}
        placeholder={t.choose}
        disabled={disabled}
        empty={t.fields.noMatch}
        {...(choices.length > 20 ? { filteringType: 'auto' as const, filteringPlaceholder: t.fields.find } : {})}
      />
    </FormField>
  )
}

// useTagTexts returns the error texts of tags.
export function useTagTexts(): (tags: readonly Tag[]) => (string | undefined)[] {
  const t = useText(acting)
  return tags => tagFaults(tags).map(fault => (fault === undefined ? undefined : { empty: t.faults.keyEmpty, twice: t.faults.keyTwice, reserved: t.faults.keyReserved }[fault]))
}

// TagsField edits tags. Its user leaves out the tags of a template: they cannot be changed.
export function TagsField({ label, tags, set, faults, help }: { label?: string; tags: readonly Tag[]; set: (tags: Tag[]) => void; faults: readonly (string | undefined)[]; help?: ReactNode }) {
  const t = useText(acting)
  const change = (i: number, part: Partial<Tag>) => set(tags.map((tag, j) => (j === i ? { ...tag, ...part } : tag)))
  return (
    <FormField label={label ?? t.fields.tags} description={help} stretch>
      <AttributeEditor
        items={tags}
        addButtonText={t.fields.addTag}
        removeButtonText={t.fields.remove}
        removeButtonAriaLabel={tag => t.fields.removeTag(tag.Key)}
        empty={t.fields.noTags}
        onAddButtonClick={() => set([...tags, { Key: '', Value: '' }])}
        onRemoveButtonClick={e => set(tags.filter((_, i) => i !== e.detail.itemIndex))}
        definition={[
          { label: t.fields.key, control: (tag, i) => <Input value={tag.Key} onChange={e => change(i, { Key: e.detail.value })} />, errorText: (_, i) => faults[i] },
          { label: t.fields.value, control: (tag, i) => <Input value={tag.Value} onChange={e => change(i, { Value: e.detail.value })} /> },
        ]}
      />
    </FormField>
  )
}

// RegionsField chooses Regions. home is one that cannot be removed.
export function RegionsField({ label, value, set, home, fault, disabled = false }: { label?: string; value: readonly string[]; set: (value: string[]) => void; home: string; fault?: string | undefined; disabled?: boolean }) {
  const t = useText(acting)
  const c = useText(common)
  const [typed, setTyped] = useState('')
  const [wrong, setWrong] = useState(false)
  const add = (name: string) => {
    const region = name.trim().toLowerCase()
    setWrong(region !== '' && !isRegion(region))
    if (!isRegion(region)) return
    if (!value.includes(region)) set([...value, region])
    setTyped('')
  }
  return (
    <SpaceBetween size="xs">
      <FormField label={label ?? t.fields.regions} constraintText={t.fields.regionHelp} errorText={wrong ? t.faults.region : fault}>
        <Autosuggest
          value={typed}
          options={known.filter(name => !value.includes(name)).map(name => ({ value: name }))}
          placeholder={t.fields.addRegion}
          enteredTextLabel={name => t.fields.useRegion(name)}
          empty={t.fields.noMatch}
          disabled={disabled}
          onChange={e => { setTyped(e.detail.value); setWrong(false) }}
          onSelect={e => add(e.detail.value)}
          onKeyDown={e => { if (e.detail.key === 'Enter' && typed !== '') { e.preventDefault(); add(typed) } }}
          onBlur={() => add(typed)}
        />
      </FormField>
      <TokenGroup
        items={value.map(name => ({ label: name, ...(name === home ? { description: t.fields.homeRegion } : {}), dismissLabel: t.fields.removeRegion(name), disabled: disabled || name === home }))}
        onDismiss={e => set(value.filter((_, i) => i !== e.detail.itemIndex))}
        i18nStrings={{ limitShowMore: c.none, limitShowFewer: c.none }}
      />
    </SpaceBetween>
  )
}
