import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import { Refusal } from '../../../mock/answer'
import { scopes } from '../../../mock/data'
import { mockOf } from '../../../mock/server'
import { renderPage } from '../../../test/render'
import { Create } from '.'

const press = async (name: string) => userEvent.click(await screen.findByRole('button', { name }))
const writes = (mock: ReturnType<typeof mockOf>) => mock.calls.filter(c => !/^(Get|Describe|Search)/.test(c.operation))

test('without an IPAM: IPAM, space, rules; a refusal in the middle goes on from there', async () => {
  const mock = mockOf({ empty: true })
  const { router } = renderPage(<Create />, { path: '/create', at: '/create', mock })
  await userEvent.type(await screen.findByRole('textbox', { name: /Name/ }), 'corp')
  await press('Next')
  const cidr = await screen.findByRole('textbox', { name: 'CIDR of the whole network' })
  await userEvent.clear(cidr)
  await press('Next')
  await screen.findByText('Enter a CIDR.')
  await userEvent.type(cidr, '10.0.0.0/12')
  await press('Next')
  await press('Next')
  await screen.findByText('An IPAM is created that operates in ap-northeast-1.')
  await screen.findByText('The pool ap-northeast-1-pool is created for ap-northeast-1 and gets the next free block of length /14.')
  expect(writes(mock)).toEqual([])
  mock.failures.set('ProvisionIpamPoolCidr', new Refusal('InvalidParameterValue', 'The CIDR is not available.'))
  await press('Create')
  await screen.findByText('The CIDR is not available.')
  await screen.findByText(/A part is done and stays/)
  expect(writes(mock).map(c => c.operation)).toEqual(['CreateIpam', 'CreateIpamPool', 'ProvisionIpamPoolCidr'])
  mock.failures.clear()
  await press('Create')
  await waitFor(() => expect(router.state.location.pathname).toBe('/pools'))
  expect(writes(mock).map(c => c.operation).slice(3)).toEqual(['ProvisionIpamPoolCidr', 'CreateIpamPool', 'ProvisionIpamPoolCidr'])
  expect(mock.data.pools.map(p => [p.Tags?.[0]?.Value, p.AllocationDefaultNetmaskLength])).toEqual([['top-level-pool', undefined], ['ap-northeast-1-pool', 24]])
  expect(mock.data.ipams).toHaveLength(1)
})

test('with an IPAM: a further plan in its scope', async () => {
  const { mock } = renderPage(<Create />, { path: '/create', at: '/create' })
  await screen.findByRole('radio', { name: /Use an IPAM that is there/ })
  await press('Next')
  await screen.findByRole('textbox', { name: 'CIDR of the whole network' })
  expect(screen.getAllByRole('checkbox').map(c => (c as HTMLInputElement).checked)).toEqual([true, true, true])
  await press('Next')
  await press('Next')
  await press('Create')
  // The top-level pool of the mock has a part of 10.0.0.0/8.
  await screen.findByText(/it overlaps 10\.0\.0\.0\/12/)
  expect(writes(mock).map(c => [c.operation, c.input['IpamScopeId']])).toEqual([['CreateIpamPool', scopes.private], ['ProvisionIpamPoolCidr', undefined]])
})
