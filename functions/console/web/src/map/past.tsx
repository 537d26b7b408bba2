// The choice of a time of the past for the map.
import Alert from '@cloudscape-design/components/alert'
import Button from '@cloudscape-design/components/button'
import DatePicker from '@cloudscape-design/components/date-picker'
import FormField from '@cloudscape-design/components/form-field'
import SpaceBetween from '@cloudscape-design/components/space-between'
import TimeInput from '@cloudscape-design/components/time-input'
import { useState } from 'react'
import { formatUTC, useFormat } from '../format'
import { useText } from '../text'
import { useViewer } from '../viewer'
import { fieldsOf, instantOf } from './moment'
import { texts } from './text'

// PastButton opens the choice of a time.
export function PastButton({ open }: { open: () => void }) {
  const t = useText(texts)
  return <Button iconName="calendar" onClick={open}>{t.showPast}</Button>
}

// Past shows which time of the past the map is of. While choosing, it lets the viewer choose another
// one.
export function Past({ at, choose, choosing, setChoosing }: { at: string | undefined; choose: (at: string | undefined) => void; choosing: boolean; setChoosing: (on: boolean) => void }) {
  const t = useText(texts)
  const f = useFormat()
  if (choosing) return <Form at={at} choose={choose} cancel={() => setChoosing(false)} />
  if (at === undefined) return null
  return (
    <Alert
      type="info"
      action={<SpaceBetween direction="horizontal" size="xs"><Button onClick={() => setChoosing(true)}>{t.otherTime}</Button><Button onClick={() => choose(undefined)}>{t.backToNow}</Button></SpaceBetween>}
    >
      <span title={formatUTC(new Date(at))}>{t.asItWas(f.time(at))}</span>
    </Alert>
  )
}

function Form({ at, choose, cancel }: { at: string | undefined; choose: (at: string) => void; cancel: () => void }) {
  const t = useText(texts)
  const { zone } = useViewer()
  const [{ date, time }, setFields] = useState(() => fieldsOf(at === undefined ? new Date() : new Date(at), zone))
  const [wrong, setWrong] = useState(false)
  const submit = () => {
    const instant = instantOf(date, time, zone)
    if (instant === undefined || Date.parse(instant) > Date.now()) return setWrong(true)
    choose(instant)
  }
  return (
    <form className="map-past" onSubmit={e => { e.preventDefault(); submit() }}>
      <FormField label={t.date} errorText={wrong ? t.wrongTime : ''}>
        <DatePicker value={date} onChange={e => setFields({ date: e.detail.value, time })} isDateEnabled={day => day.getTime() <= Date.now()} placeholder="YYYY/MM/DD" i18nStrings={{ openCalendarAriaLabel: chosen => (chosen === null ? t.calendar : `${t.calendar}, ${chosen}`) }} />
      </FormField>
      <FormField label={zone === 'utc' ? t.timeUTC : t.time}>
        <TimeInput value={time} onChange={e => setFields({ date, time: e.detail.value })} placeholder="hh:mm:ss" />
      </FormField>
      <Button variant="primary" formAction="submit">{t.show}</Button>
      <Button formAction="none" onClick={cancel}>{t.cancel}</Button>
    </form>
  )
}
