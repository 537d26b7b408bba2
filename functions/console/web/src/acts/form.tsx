// The frames of forms: a page of its own, or a dialog over a page.
import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Form from '@cloudscape-design/components/form'
import Modal from '@cloudscape-design/components/modal'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useEffect, useRef, useState, type ReactNode, type RefObject } from 'react'
import { useNavigate } from 'react-router'
import { type Operation } from '../api/call'
import { useMay } from '../session'
import { useText } from '../text'
import { type Act } from './act'
import { Before, During } from './before'
import { type Plan, type Step } from './plan'
import { acting } from './text'

// Faults are the error texts of fields, by the name of the field.
export type Faults = Record<string, string | undefined>

export function faulty(faults: Faults): boolean {
  return Object.values(faults).some(f => f !== undefined)
}

// useChecked returns the faults that are shown: none until the viewer has submitted. check shows them,
// moves the focus to the first marked field, and reports whether there is none.
export function useChecked(faults: Faults): { shown: Faults; check: (names?: readonly string[]) => boolean; place: RefObject<HTMLDivElement | null> } {
  const [checked, setChecked] = useState<readonly string[]>([])
  const [focus, setFocus] = useState(0)
  const place = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (focus > 0) place.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [focus])
  return {
    shown: Object.fromEntries(Object.entries(faults).filter(([name]) => checked.includes(name))),
    check: (names = Object.keys(faults)) => {
      setChecked(old => [...new Set([...old, ...names])])
      const wrong = names.some(name => faults[name] !== undefined)
      if (wrong) setFocus(n => n + 1)
      return !wrong
    },
    place,
  }
}

interface Common {
  plan: Plan | undefined
  effects: readonly ReactNode[]
  preview?: ReactNode // below the sentences
  act: Act
  faults: Faults
  check: () => boolean
  place: RefObject<HTMLDivElement | null>
  submitLabel: string
  describe?: ((step: Step) => string | undefined) | undefined
  children?: ReactNode
}

// ActForm is the form of a page. back is where Cancel leads.
export function ActForm({ plan, effects, preview, act, faults, check, place, submitLabel, describe, children, back }: Common & { back: string }) {
  const t = useText(acting)
  const navigate = useNavigate()
  const [tried, setTried] = useState(false)
  return (
    <form
      noValidate
      onSubmit={e => {
        e.preventDefault()
        setTried(true)
        if (!act.running && check() && plan && plan.length > 0) act.submit(plan)
      }}
    >
      <Form
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={() => void navigate(back)}>{t.cancel}</Button>
            <Button variant="primary" loading={act.running}>{submitLabel}</Button>
          </SpaceBetween>
        }
        errorText={tried && faulty(faults) ? t.wrong : undefined}
      >
        <SpaceBetween size="l">
          <div ref={place}><SpaceBetween size="l">{children}</SpaceBetween></div>
          <Container><Before plan={faulty(faults) ? undefined : plan} effects={effects} open>{preview}</Before></Container>
          <During plan={plan ?? []} act={act} describe={describe} />
        </SpaceBetween>
      </Form>
    </form>
  )
}

// Dialog is the form of one object, over its page. With always, the dialog shows the effects
// also while a field is wrong.
export function Dialog({ title, plan, effects, preview, act, faults, check, place, submitLabel, describe, children, close, always = false }: Common & { title: string; close: () => void; always?: boolean }) {
  const t = useText(acting)
  const submit = () => {
    if (!act.running && check() && plan && plan.length > 0) act.submit(plan)
  }
  return (
    <Modal
      visible
      size="large"
      header={title}
      onDismiss={close}
      closeAriaLabel={t.close}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={close}>{t.cancel}</Button>
            <Button variant="primary" loading={act.running} disabled={plan?.length === 0} onClick={submit}>{submitLabel}</Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form noValidate onSubmit={e => { e.preventDefault(); submit() }}>
        <SpaceBetween size="m">
          <div ref={place}><SpaceBetween size="m">{children}</SpaceBetween></div>
          <Before plan={faulty(faults) && !always ? undefined : plan} effects={effects}>{preview}</Before>
          <During plan={plan ?? []} act={act} describe={describe} />
        </SpaceBetween>
      </form>
    </Modal>
  )
}

// Allowed shows its children to a caller of the class that an operation needs. To others it gives the reason why there is
// no form. The API decides.
export function Allowed({ operation, children }: { operation: Operation; children: ReactNode }) {
  const t = useText(acting)
  const may = useMay()
  return may(operation) ? children : <Alert type="info" header={t.notAllowed}>{t.notAllowedHelp(operation)}</Alert>
}
