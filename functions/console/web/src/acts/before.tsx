// The parts of a form around its fields: the effects before it acts, the progress, and a refusal.
import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard'
import ExpandableSection from '@cloudscape-design/components/expandable-section'
import SpaceBetween from '@cloudscape-design/components/space-between'
import StatusIndicator, { type StatusIndicatorProps } from '@cloudscape-design/components/status-indicator'
import Tabs from '@cloudscape-design/components/tabs'
import { useState, type ReactNode } from 'react'
import { Failure } from '../parts/error'
import { common } from '../parts/text'
import { useText } from '../text'
import { type Act } from './act'
import './acts.css'
import { Failed, hasToken, type Plan, type StepState } from './plan'
import { acting } from './text'
import { written, type Form } from './written'

const forms: readonly Form[] = ['cli', 'terraform', 'cloudformation', 'json']

// Before shows the effects of a plan, in sentences and as code. plan is undefined as long as the form is incomplete.
export function Before({ plan, effects, children, open = false }: { plan: Plan | undefined; effects: readonly ReactNode[]; children?: ReactNode; open?: boolean }) {
  const t = useText(acting)
  return (
    <SpaceBetween size="s">
      <Box variant="h3">{t.what}</Box>
      {plan === undefined ? <Box color="text-body-secondary">{t.incomplete}</Box> : plan.length === 0 ? <Box color="text-body-secondary">{t.nothing}</Box> : (
        <>
          <ul className="acts-what">{effects.map((sentence, i) => <li key={i} className="break">{sentence}</li>)}</ul>
          {children}
          <ExpandableSection headerText={t.code} defaultExpanded={open}><Code plan={plan} /></ExpandableSection>
        </>
      )}
    </SpaceBetween>
  )
}

export function Code({ plan }: { plan: Plan }) {
  const t = useText(acting)
  const c = useText(common)
  const [form, setForm] = useState<Form>('cli')
  const text = written(form, plan, t.words)
  return (
    <Tabs
      ariaLabel={t.code}
      activeTabId={form}
      onChange={e => setForm(e.detail.activeTabId as Form)}
      tabs={forms.map(id => ({
        id,
        label: t.forms[id],
        content: id !== form ? null : text === undefined ? <Box color="text-body-secondary">{t.noCode(t.forms[id])}</Box> : (
          <div className="acts-code">
            <pre tabIndex={0} role="group" aria-label={t.forms[id]}><code>{text}</code></pre>
            <div className="acts-copy"><CopyToClipboard variant="icon" textToCopy={text} copyButtonAriaLabel={t.copyCode} copySuccessText={c.copied} copyErrorText={c.copyFailed} /></div>
          </div>
        ),
      }))}
    />
  )
}

const indicators: Record<StepState, StatusIndicatorProps.Type> = { open: 'pending', running: 'in-progress', waiting: 'in-progress', done: 'success', failed: 'error' }

// During shows the progress of a plan, and the reason if it stopped.
export function During({ plan, act, describe }: { plan: Plan; act: Act; describe?: ((step: Plan[number]) => string | undefined) | undefined }) {
  const t = useText(acting)
  const names = t.steps as Record<string, string>
  const waits = plan.some(s => act.state(s.id) === 'waiting')
  const progress = (act.running || act.begun) && (plan.length > 1 || waits)
  return (
    <SpaceBetween size="s">
      <div role="status" aria-live="polite">
        {progress ? (
          <SpaceBetween size="xxs">
            <Box variant="h3">{t.progress}</Box>
            {plan.map(s => (
              <div key={s.id}>
                <StatusIndicator type={indicators[act.state(s.id)]}>
                  {[names[s.operation] ?? s.operation, describe?.(s)].filter(Boolean).join(' ')}: {t.state[act.state(s.id)]}
                </StatusIndicator>
              </div>
            ))}
          </SpaceBetween>
        ) : null}
      </div>
      <div role="alert">
        {act.error === undefined ? null : (
          <SpaceBetween size="xs">
            {act.error instanceof Failed ? <Alert type="error" header={t.failed}><span className="break">{act.error.message}</span></Alert> : <Failure error={act.error} />}
            {act.unsure ? <Alert type="warning" header={t.unknown}>{act.failedAt && hasToken(act.failedAt.operation) ? t.unknownToken : t.unknownLook}</Alert> : null}
            {act.begun && plan.length > 1 ? <Alert type="info">{t.partly}</Alert> : null}
          </SpaceBetween>
        )}
      </div>
    </SpaceBetween>
  )
}
