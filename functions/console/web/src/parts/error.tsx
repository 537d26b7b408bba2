import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import { Component, type ErrorInfo, type ReactNode } from 'react'
import { APIError, unreachable } from '../api/call'
import { textOf, useText } from '../text'
import { common } from './text'

// Failure shows an error of a call in the API's own words.
export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const t = useText(common)
  if (error === null || error === undefined) return null
  const api = error instanceof APIError ? error : undefined
  const away = api?.code === unreachable
  return (
    <Alert
      type="error"
      header={away ? t.error.unreachable : t.error.title}
      action={retry ? <Button onClick={retry}>{t.retry}</Button> : undefined}
    >
      <span className="break">{away ? t.error.unreachableHelp : error instanceof Error ? error.message : JSON.stringify(error)}</span>
      {api && !away ? (
        <Box variant="small" display="block">
          {api.code}
          {api.requestId === undefined ? '' : ` · ${t.error.request(api.requestId)}`}
        </Box>
      ) : null}
    </Alert>
  )
}

// Boundary shows a fault of the page itself, so that the navigation stays.
export class Boundary extends Component<{ children: ReactNode; resetKey: string }, { error: Error | undefined; at: string }> {
  override state = { error: undefined as Error | undefined, at: this.props.resetKey }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  static getDerivedStateFromProps(props: { resetKey: string }, state: { at: string }) {
    return props.resetKey === state.at ? null : { error: undefined, at: props.resetKey }
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack)
  }

  override render() {
    if (!this.state.error) return this.props.children
    const t = textOf(common)
    return (
      <Alert type="error" header={t.error.page} action={<Button onClick={() => location.reload()}>{t.error.reload}</Button>}>
        {t.error.pageHelp}
        <Box variant="code" display="block">{String(this.state.error)}</Box>
      </Alert>
    )
  }
}
