// The session: the viewer's name, account and class, and the operations of that class.
import { useQuery } from '@tanstack/react-query'
import { createContext, use, type ReactNode } from 'react'
import { call, request, type Operation, type Output } from './api/call'

export type Class = 'read' | 'allocate' | 'administer'

export interface Session {
  Name: string
  Account: string
  Class: Class
  Region: string
  Endpoint: string
  Hosted: boolean
  Expires?: string
}

export type Access = NonNullable<Output<'GetCallerAccess'>['CallerAccess']>

interface Known {
  session: Session
  access: Access | undefined
}

const Context = createContext<Known | undefined>(undefined)

export function useSessionQuery() {
  return useQuery({
    queryKey: ['session'],
    queryFn: async ({ signal }) => (await (await request('/session', { signal })).json()) as Session,
    staleTime: Infinity,
  })
}

export function SessionProvider({ session, children }: { session: Session; children: ReactNode }) {
  const { data } = useQuery({
    queryKey: ['GetCallerAccess'],
    queryFn: ({ signal }) => call('GetCallerAccess', {}, { signal }),
    staleTime: 5 * 60_000,
  })
  return <Context value={{ session, access: data?.CallerAccess }}>{children}</Context>
}

function useKnown(): Known {
  const known = use(Context)
  if (!known) throw new Error('there is no session above')
  return known
}

export function useSession(): Session {
  return useKnown().session
}

// useAccess returns the caller's access, and undefined until the API has answered.
export function useAccess(): Access | undefined {
  return useKnown().access
}

// useMay returns a function that reports whether the caller may call an operation. The API decides;
// this hides the operations that it would refuse.
export function useMay(): (operation: Operation) => boolean {
  const operations = useKnown().access?.Operations
  return operation => operations?.includes(operation) ?? false
}
