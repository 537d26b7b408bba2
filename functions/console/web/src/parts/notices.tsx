import Flashbar, { type FlashbarProps } from '@cloudscape-design/components/flashbar'
import { createContext, use, useCallback, useMemo, useState, type ReactNode } from 'react'

export interface Notice {
  type: 'success' | 'error' | 'info' | 'warning'
  header?: ReactNode
  content?: ReactNode
  loading?: boolean
}

interface Notices {
  // tell shows a notice. A notice with the id of an earlier one replaces it.
  tell: (notice: Notice, id?: string) => string
  dismiss: (id: string) => void
}

const Context = createContext<Notices>({ tell: () => '', dismiss: () => undefined })

const Shown = createContext<FlashbarProps.MessageDefinition[]>([])

let last = 0

export function NoticesProvider({ children }: { children: ReactNode }) {
  const [items, setItems] = useState<(Notice & { id: string })[]>([])
  const dismiss = useCallback((id: string) => setItems(items => items.filter(i => i.id !== id)), [])
  const tell = useCallback((notice: Notice, id = `notice-${++last}`) => {
    setItems(items => [{ ...notice, id }, ...items.filter(i => i.id !== id)])
    return id
  }, [])
  const value = useMemo(() => ({ tell, dismiss }), [tell, dismiss])
  const shown = items.map((i): FlashbarProps.MessageDefinition => ({
    id: i.id, type: i.type, header: i.header, content: i.content, loading: i.loading ?? false, dismissible: true, onDismiss: () => dismiss(i.id),
  }))
  return <Context value={value}><Shown value={shown}>{children}</Shown></Context>
}

// useNotices returns the functions that show and remove messages above the page, for the
// outcome of an act.
export function useNotices(): Notices {
  return use(Context)
}

export function NoticeBar() {
  const items = use(Shown)
  return items.length === 0 ? null : <Flashbar items={items} />
}
