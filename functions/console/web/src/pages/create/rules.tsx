// The fields of a pool's rules.
import Box from '@cloudscape-design/components/box'
import Checkbox from '@cloudscape-design/components/checkbox'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import FormField from '@cloudscape-design/components/form-field'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { LengthField, TagsField, useTagTexts } from '../../acts/fields'
import { type Faults } from '../../acts/form'
import { acting } from '../../acts/text'
import { bitsOf, type Family } from '../../acts/values'
import { useText } from '../../text'
import { ruleFault, type Rules } from './plans'
import { texts } from './text'

// useRuleFaults returns the error texts of rules.
export function useRuleFaults(): (rules: Rules) => Faults {
  const a = useText(acting)
  const tagTexts = useTagTexts()
  return rules => {
    const fault = ruleFault(rules)
    return {
      max: fault === 'order' ? a.faults.order : undefined,
      standard: fault === 'between' ? a.faults.between : undefined,
      ruleTags: tagTexts(rules.tags).find(s => s !== undefined),
    }
  }
}

export function RuleFields({ rules, set, shown, family, importable, disabled = false }: { rules: Rules; set: (rules: Rules) => void; shown: Faults; family: Family; importable: boolean; disabled?: boolean }) {
  const t = useText(texts)
  const a = useText(acting)
  const tagTexts = useTagTexts()(rules.tags)
  const lengths = Array.from({ length: bitsOf(family) + 1 }, (_, n) => n)
  return (
    <SpaceBetween size="l">
      <FormField label={t.rules.lengths} stretch>
        <ColumnLayout columns={3}>
          <LengthField label={t.rules.min} family={family} lengths={lengths} value={rules.min} set={min => set({ ...rules, min })} none={a.fields.noLength} disabled={disabled} />
          <LengthField label={t.rules.max} family={family} lengths={lengths} value={rules.max} set={max => set({ ...rules, max })} none={a.fields.noLength} fault={shown['max']} disabled={disabled} />
          <LengthField label={t.rules.standard} family={family} lengths={lengths} value={rules.standard} set={standard => set({ ...rules, standard })} none={t.rules.standardNone} fault={shown['standard']} disabled={disabled} />
        </ColumnLayout>
      </FormField>
      <TagsField label={t.rules.tags} help={t.rules.tagsHelp} tags={rules.tags} set={tags => set({ ...rules, tags })} faults={shown['ruleTags'] === undefined ? [] : tagTexts} />
      <Checkbox checked={rules.autoImport} onChange={e => set({ ...rules, autoImport: e.detail.checked })} description={t.rules.autoImportHelp} disabled={disabled}>{t.rules.autoImport}</Checkbox>
      {rules.autoImport && !importable ? <Box color="text-status-warning">{t.rules.noLocale}</Box> : null}
    </SpaceBetween>
  )
}
