import I18nProvider, { type I18nProviderProps } from '@cloudscape-design/components/i18n'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'
import { createBrowserRouter, RouterProvider } from 'react-router'
import { APIError, signedOut, whenSignedOut } from './api/call'
import { Layout } from './layout/layout'
import { SignedOut } from './layout/signedout'
import { Failure } from './parts/error'
import { Loading } from './parts/loading'
import { routes } from './routes'
import { SessionProvider, useSessionQuery } from './session'
import { useViewer, type Language } from './viewer'

type Messages = I18nProviderProps['messages'][number]

// One language's texts of the components are loaded.
const messages: Record<Language, () => Promise<{ default: Messages }>> = {
  en: () => import('@cloudscape-design/components/i18n/messages/all.en'),
  ja: () => import('@cloudscape-design/components/i18n/messages/all.ja'),
}

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        refetchOnWindowFocus: false,
        retry: (failures, error) => failures < 2 && !(error instanceof APIError && error.permanent),
      },
    },
  })
}

export function Translated({ children }: { children: ReactNode }) {
  const { language } = useViewer()
  const [loaded, setLoaded] = useState<{ language: Language; messages: Messages }>()
  useEffect(() => {
    let current = true
    void messages[language]().then(m => { if (current) setLoaded({ language, messages: m.default }) })
    return () => { current = false }
  }, [language])
  if (!loaded) return null
  return <I18nProvider locale={loaded.language} messages={[loaded.messages]}>{children}</I18nProvider>
}

// Signed shows its children to a viewer with a session.
export function Signed({ client, children }: { client: QueryClient; children: ReactNode }) {
  const session = useSessionQuery()
  useEffect(() => whenSignedOut(() => void client.invalidateQueries({ queryKey: ['session'] })), [client])
  if (session.error instanceof APIError && session.error.code === signedOut) return <SignedOut hosted={session.data?.Hosted} />
  if (session.data) return <SessionProvider session={session.data}>{children}</SessionProvider>
  return session.error ? <Failure error={session.error} retry={() => void session.refetch()} /> : <Loading />
}

export function App() {
  const [client] = useState(newQueryClient)
  const [router] = useState(() => createBrowserRouter([{ element: <Layout />, children: routes }]))
  return (
    <QueryClientProvider client={client}>
      <Translated>
        <Signed client={client}>
          <RouterProvider router={router} />
        </Signed>
      </Translated>
    </QueryClientProvider>
  )
}
