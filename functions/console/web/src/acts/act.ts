// useAct carries out the plan of a form: progress, refusal, and the notice with the link to the result.
import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useReducer, useRef, useState, type ReactNode } from 'react'
import { useNotices } from '../parts/notices'
import { unknown, Run, type Answers, type Plan, type Step, type StepState } from './plan'

export interface Outcome {
  header: string
  content?: ReactNode // a link to the result
}

export interface Act {
  running: boolean
  error: unknown
  // unsure reports whether the refused request may have happened.
  unsure: boolean
  failedAt: Step | undefined
  begun: boolean
  state: (step: string) => StepState
  done: (step: string) => boolean
  submit: (plan: Plan) => void
}

// useAct returns the state of a form. One form has one set of client tokens. Once all steps have ended, the notice of
// outcome is shown above the page, and then is called unless the viewer has left the form.
export function useAct({ outcome, then }: { outcome: (answers: Answers) => Outcome; then?: ((answers: Answers) => void) | undefined }): Act {
  const client = useQueryClient()
  const { tell } = useNotices()
  const [run] = useState(() => new Run())
  const [, show] = useReducer((n: number) => n + 1, 0)
  const [running, setRunning] = useState(false)
  const [error, setError] = useState<unknown>()
  const [failedAt, setFailedAt] = useState<Step>()
  const shown = useRef(true)
  const latest = useRef({ outcome, then })
  useEffect(() => {
    latest.current = { outcome, then }
  })
  useEffect(() => {
    shown.current = true
    return () => { shown.current = false }
  }, [])

  const submit = useCallback((plan: Plan) => {
    setRunning(true)
    setError(undefined)
    void (async () => {
      try {
        const answers = await run.go(plan, show)
        tell({ type: 'success', ...latest.current.outcome(answers) })
        if (shown.current) latest.current.then?.(answers)
      } catch (e) {
        setError(e)
        setFailedAt(plan.find(s => run.state(s.id) === 'failed'))
        if (!shown.current) tell({ type: 'error', header: e instanceof Error ? e.message : String(e) })
      } finally {
        setRunning(false)
        // The change may concern any list. The session and the caller's class stay.
        void client.invalidateQueries({ predicate: q => q.queryKey[0] !== 'session' && q.queryKey[0] !== 'GetCallerAccess' })
      }
    })()
  }, [run, tell, client])

  return { running, error, unsure: unknown(error), failedAt, begun: run.begun, state: id => run.state(id), done: id => run.done(id), submit }
}
