import { QueryClientProvider } from '@tanstack/react-query'
import { render } from '@testing-library/react'
import { type ReactNode } from 'react'
import { createMemoryRouter, RouterProvider } from 'react-router'
import { vi } from 'vitest'
import { type Mock } from '../mock/answer'
import { mockOf } from '../mock/server'
import { newQueryClient, Signed, Translated } from '../src/app'

// stubFetch answers the pages' requests from a mock.
export function stubFetch(mock: Mock): void {
  vi.stubGlobal('fetch', (path: string, init?: RequestInit) => {
    const { status, body, headers } = path === '/session'
      ? mock.session()
      : mock.call(path.replace('/v1/', ''), JSON.parse(typeof init?.body === 'string' ? init.body : '{}') as Record<string, unknown>)
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers: headers ?? {} }))
  })
}

// renderPage shows a page as the application does, without the layout. path is its route, at
// the address.
export function renderPage(page: ReactNode, { at = '/', path = '*', mock = mockOf() }: { at?: string; path?: string; mock?: Mock } = {}) {
  stubFetch(mock)
  const client = newQueryClient()
  client.setDefaultOptions({ queries: { ...client.getDefaultOptions().queries, retry: false } })
  const router = createMemoryRouter([{ path, element: page }, { path: '*', element: null }], { initialEntries: [at] })
  const shown = render(
    <QueryClientProvider client={client}>
      <Translated><Signed client={client}><RouterProvider router={router} /></Signed></Translated>
    </QueryClientProvider>,
  )
  return { ...shown, mock, router, client }
}
