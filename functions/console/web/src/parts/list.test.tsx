import { act, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../mock/answer'
import { hostile, pools, scopes } from '../../mock/data'
import { mockOf } from '../../mock/server'
import { renderPage } from '../../test/render'
import { Pool } from '../pages/pool'
import { Resources } from '../pages/resources'
import { Allocations } from '../pages/allocations'
import { admits, filtersOf } from './list'

describe('filters', () => {
  test('values of one name are alternatives, and wildcards of the viewer are letters', () => {
    expect(filtersOf([
      { propertyKey: 'state', operator: '=', value: 'a*' }, { propertyKey: 'state', operator: '=', value: 'b' }, { propertyKey: 'name', operator: ':', value: 'x?\\' }, { operator: ':', value: 'free' },
    ])).toEqual([{ Name: 'state', Values: ['a\\*', 'b'] }, { Name: 'name', Values: ['*x\\?\\\\*'] }])
  })
  test('rows that are there', () => {
    const columns = [{ id: 'n', header: 'n', text: (r: { n: string; s: string }) => r.n, filter: 'name' }, { id: 's', header: 's', text: (r: { n: string; s: string }) => r.s, filter: 'state' }]
    const rows = [{ n: 'Web', s: 'on' }, { n: 'db', s: 'off' }, { n: 'web2', s: 'off' }]
    const names = (...tokens: Parameters<typeof admits>[1]) => rows.filter(r => admits(r, tokens, columns)).map(r => r.n)
    expect(names({ operator: ':', value: 'WEB' })).toEqual(['Web', 'web2'])
    expect(names({ operator: ':', value: 'web' }, { propertyKey: 'state', operator: '=', value: 'off' })).toEqual(['web2'])
    expect(names({ propertyKey: 'name', operator: '=', value: 'db' }, { propertyKey: 'name', operator: ':', value: '2' })).toEqual(['db', 'web2'])
  })
})

// Roles take seconds to find in a large table of jsdom.
const rows = () => [...document.querySelectorAll('tbody tr')]
const rowsShown = () => rows().length

describe('a list of the API', () => {
  test('asks the API for the filters of the address', async () => {
    const { mock } = renderPage(<Resources />, { at: '/resources?compliance-status=noncompliant' })
    await screen.findByText('SandboxVPC01')
    expect(mock.calls.filter(c => c.operation === 'GetIpamResourceCidrs').map(c => c.input['Filters'])).toEqual([[{ Name: 'compliance-status', Values: ['noncompliant'] }]])
    expect(rowsShown()).toBe(3)
  })

  test('pages at the server: a page is read when it is opened', async () => {
    const mock = mockOf()
    mock.data.resources = Array.from({ length: 260 }, (_, i) => ({ ResourceCidr: `10.5.${i >> 4}.${(i & 15) << 4}/28`, ResourceId: `vpc-${i}`, ResourceType: 'vpc' as const, IpamScopeId: scopes.private }))
    renderPage(<Resources />, { mock })
    await waitFor(() => expect(rowsShown()).toBe(50))
    const reads = () => mock.calls.filter(c => c.operation === 'GetIpamResourceCidrs').length
    expect(reads()).toBe(1)
    const user = userEvent.setup()
    for (let page = 2; page <= 4; page++) await act(() => user.click(document.querySelector('button[aria-label="Next page"]') ?? document.body))
    await waitFor(() => expect(reads()).toBe(2))
  })

  test('asks for as many allocations as a page of the API has at least', async () => {
    const { mock } = renderPage(<Allocations />)
    await screen.findByText('On-premises data centre')
    expect(mock.calls.filter(c => c.operation === 'DescribeIpamPoolAllocations').map(c => c.input['MaxResults'])).toEqual([1000])
  })

  test('shows a refusal in the API’s words', async () => {
    const mock = mockOf()
    mock.failures.set('GetIpamResourceCidrs', new Refusal('InvalidIpamScopeId.NotFound', 'The scope is gone. Choose another one.'))
    renderPage(<Resources />, { mock })
    await screen.findByText('The scope is gone. Choose another one.')
    await screen.findByText(/InvalidIpamScopeId.NotFound/)
  })

  test('shows hostile names as text', async () => {
    renderPage(<Resources />)
    expect((await screen.findAllByText(hostile)).length).toBeGreaterThan(0)
    expect(document.querySelector('img[src="x"], script')).toBeNull()
  })
})

test('a pool lists free ranges between its allocations', async () => {
  renderPage(<Pool />, { path: '/pools/:id', at: `/pools/${pools.osakaProd}` })
  await screen.findByText('10.1.2.0/23')
  const cidrs = rows().map(r => r.textContent.match(/10\.[\d.]+\/\d+/)?.[0])
  expect(cidrs.slice(0, 7)).toEqual(['10.1.0.0/16', '10.1.0.0/24', '10.1.1.0/24', '10.1.2.0/23', '10.1.4.0/22', '10.1.8.0/21', '10.1.16.0/22'])
})
