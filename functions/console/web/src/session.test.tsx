import { screen, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import { mockOf } from '../mock/server'
import { renderPage } from '../test/render'
import { Home } from './pages/home'
import { Pools } from './pages/pools'

test('a signed-out viewer of the loopback is told to start the console again', async () => {
  const mock = mockOf()
  mock.signedOut = true
  renderPage(<Home />, { mock })
  await screen.findByText('You are signed out')
  await screen.findByText('cadastre console')
  // The session is not asked for again and again.
  const asked = mock.sessions
  await new Promise(done => setTimeout(done, 500))
  expect(mock.sessions).toBe(asked)
})

test('a session that ends during a call shows the sign-in', async () => {
  const mock = mockOf({ hosted: true })
  const { client } = renderPage(<Home />, { mock })
  await screen.findByText('Needs attention')
  mock.signedOut = true
  await client.refetchQueries({ queryKey: ['GetIpamSummary'] })
  await screen.findByText('You are signed out')
  expect(screen.getByText('Sign in').closest('a')?.getAttribute('href')).toBe('/login?to=%2F')
})

test.each([['administer', true], ['allocate', false], ['read', false]] as const)('the class %s sees the button that creates a pool: %s', async (own, sees) => {
  const { mock } = renderPage(<Pools />, { mock: mockOf({ class: own }) })
  await screen.findByText('top-level-global-pool')
  await waitFor(() => expect(mock.calls.some(c => c.operation === 'GetCallerAccess')).toBe(true))
  if (sees) await screen.findByText('Create pool')
  else expect(screen.queryByText('Create pool')).toBeNull()
})

test('without an IPAM the home page shows the next step', async () => {
  renderPage(<Home />, { mock: mockOf({ empty: true }) })
  await screen.findByText('There is no IPAM yet')
  await screen.findByText('Create an IPAM')
})

test('each number of the home page links to the list behind it', async () => {
  renderPage(<Home />)
  await screen.findByText('Needs attention')
  const hrefs = [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))
  for (const part of ['/overlaps', 'compliance-status=noncompliant', 'management-state=unmanaged', '/discovery?failing=1', '/pools', '/public']) expect(hrefs.some(h => h?.includes(part) === true), part).toBe(true)
})
