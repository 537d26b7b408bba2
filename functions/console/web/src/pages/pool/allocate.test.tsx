import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import { Refusal } from '../../../mock/answer'
import { pools } from '../../../mock/data'
import { mockOf } from '../../../mock/server'
import { renderPage } from '../../../test/render'
import { Allocate } from './allocate'

const at = (query = '') => `/pools/${pools.osakaProd}/allocate${query}`
const shown = (query = '', mock = mockOf()) => renderPage(<Allocate />, { path: '/pools/:id/allocate', at: at(query), mock })
const made = (mock: ReturnType<typeof mockOf>) => mock.calls.filter(c => c.operation === 'AllocateIpamPoolCidr' && c.input['PreviewNextCidr'] !== true)

test('by length: the preview takes nothing, the submit allocates what the API chooses', async () => {
  const { mock, router } = shown()
  await screen.findByText('The pool would give 10.1.33.0/24.')
  expect(made(mock)).toEqual([])
  expect(screen.getByText('256 addresses · 251 hosts in one subnet', { selector: '[class*=constraint] *, [class*=constraint]' })).toBeTruthy()
  await userEvent.type(screen.getByRole('textbox', { name: /Name/ }), 'dc')
  await userEvent.click(screen.getByRole('button', { name: 'Allocate' }))
  await waitFor(() => expect(router.state.location.pathname).toBe(`/pools/${pools.osakaProd}`))
  expect(made(mock).map(c => c.input)).toEqual([{ IpamPoolId: pools.osakaProd, NetmaskLength: 24, TagSpecifications: [{ ResourceType: 'ipam-pool-allocation', Tags: [{ Key: 'Name', Value: 'dc' }] }], ClientToken: expect.any(String) as string }])
  expect(mock.data.allocations[pools.osakaProd]?.at(-1)).toMatchObject({ Cidr: '10.1.33.0/24', ResourceType: 'custom' })
})

test('by CIDR: the address of the page gives it, a wrong one is marked and nothing is sent', async () => {
  const { mock } = shown('?cidr=10.1.2.0/23')
  const field = await screen.findByRole('textbox', { name: 'CIDR' })
  expect((field as HTMLInputElement).value).toBe('10.1.2.0/23')
  await screen.findByText('10.1.2.0/23 is free.')
  const among = await screen.findByRole('region', { name: 'Neighbours' })
  expect(within(among).getByText('This allocation')).toBeTruthy()
  await userEvent.clear(field)
  await userEvent.type(field, '10.1.2.1/23')
  await userEvent.click(screen.getByRole('button', { name: 'Allocate' }))
  await screen.findByText(/The block is 10\.1\.2\.0\/23\./)
  expect(field.getAttribute('aria-invalid')).toBe('true')
  await waitFor(() => expect(document.activeElement).toBe(field))
  expect(made(mock)).toEqual([])
})

test('a refusal is announced in the words of the API, and an unknown outcome is repeated with the same token', async () => {
  const { mock } = shown('?cidr=10.1.2.0/24')
  await screen.findByText('10.1.2.0/24 is free.')
  mock.failures.set('AllocateIpamPoolCidr', new Refusal('InvalidParameterValue', 'The CIDR is taken since.'))
  await userEvent.click(screen.getByRole('button', { name: 'Allocate' }))
  const alert = await waitFor(() => { const a = screen.getAllByRole('alert').find(e => e.textContent?.includes('taken since')); if (!a) throw new Error('no alert'); return a })
  expect(alert.textContent).toContain('InvalidParameterValue')
  expect(alert.textContent).not.toContain('not known')
  mock.failures.clear()
  mock.lost.set('AllocateIpamPoolCidr', new Refusal('Unavailable', 'The answer is lost.', 503))
  await userEvent.click(screen.getByRole('button', { name: 'Allocate' }))
  await screen.findByText('Whether it happened is not known.')
  await userEvent.click(screen.getByRole('button', { name: 'Allocate' }))
  await waitFor(() => expect(made(mock)).toHaveLength(3))
  expect(new Set(made(mock).map(c => c.input['ClientToken'])).size).toBe(1)
  expect(mock.data.allocations[pools.osakaProd]?.filter(a => a.Cidr === '10.1.2.0/24')).toHaveLength(1)
})

test('a reader sees why there is no form', async () => {
  shown('', mockOf({ class: 'read' }))
  await screen.findByText('Your class may not do this')
  expect(screen.queryByRole('button', { name: 'Allocate' })).toBeNull()
})
