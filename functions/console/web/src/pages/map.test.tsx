import { act, fireEvent, screen, waitFor } from '@testing-library/react'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Refusal } from '../../mock/answer'
import { hostile, pools } from '../../mock/data'
import { mockOf } from '../../mock/server'
import { renderPage } from '../../test/render'
import { SpaceMapPage } from './map'

// jsdom draws nothing: the canvas has no context, and the stage draws into nothing.
beforeEach(() => {
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null)
})

const asked = (mock: ReturnType<typeof mockOf>) => mock.calls.filter(c => c.operation === 'GetIpamSpaceMap').map(c => c.input)
const show = (at: string, mock = mockOf()) => renderPage(<SpaceMapPage />, { at, path: '/map', mock })
const chart = () => screen.findByRole('application')

describe('the map', () => {
  test('is of the default scope, and by keyboard one comes to a hole and to its form', async () => {
    const { mock, router } = show('/map')
    const map = await chart()
    expect(asked(mock)).toEqual([{ IpamScopeId: 'ipam-scope-088307f7ce790b230', AddressFamily: 'ipv4' }])
    act(() => map.focus())
    await screen.findByRole('heading', { level: 2, name: '10.0.0.0/12' })
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowRight']) fireEvent.keyDown(map, { key })
    await screen.findByRole('heading', { level: 2, name: '10.8.4.0/22' })
    await screen.findByRole('button', { name: 'Allocate here' })
    fireEvent.keyDown(map, { key: 'a' })
    await waitFor(() => expect(`${router.state.location.pathname}${router.state.location.search}`).toBe(`/pools/${pools.top}/allocate?cidr=10.8.4.0%2F22`))
  })

  test('Enter zooms in and Escape out, in the address of the page', async () => {
    const { router } = show(`/map?pool=${pools.osaka}`)
    const map = await chart()
    act(() => map.focus())
    for (const key of ['ArrowDown', 'Enter']) fireEvent.keyDown(map, { key })
    await waitFor(() => expect(router.state.location.search).toBe(`?pool=${pools.osaka}&cidr=10.0.0.0%2F16`))
    fireEvent.keyDown(map, { key: 'Escape' })
    await waitFor(() => expect(router.state.location.search).toBe(`?pool=${pools.osaka}`))
  })

  test('offers no allocation to a class that only reads', async () => {
    const { router } = show('/map', mockOf({ class: 'read' }))
    const map = await chart()
    act(() => map.focus())
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'a']) fireEvent.keyDown(map, { key })
    await screen.findByText('Your class may not allocate.')
    expect(screen.queryByText('Allocate here')).toBeNull()
    expect(router.state.location.pathname).toBe('/map')
  })

  test('as a table has the same blocks, holes with a link to the form, and hostile names as text', async () => {
    show(`/map?pool=${pools.osakaProd}&view=table`)
    await screen.findByText('10.1.2.0/23')
    const cells = [...document.querySelectorAll('tbody tr')].map(r => r.textContent.match(/10\.[\d.]+\/\d+/)?.[0])
    expect(cells.slice(0, 5)).toEqual(['10.1.0.0/16', '10.1.0.0/24', '10.1.0.0/26', '10.1.1.0/24', '10.1.2.0/23'])
    // The pool's default length is /24.
    expect(document.querySelector('a[href*="allocate?cidr=10.1.2.0%2F24"]')).not.toBeNull()
    expect((await screen.findAllByText(hostile)).length).toBeGreaterThan(0)
    expect(document.querySelector('img[src="x"], script')).toBeNull()
  })

  test('asks for the part that is zoomed to where there are tiles, and shows how old each answer is', async () => {
    const mock = mockOf()
    mock.data.allocations[pools.tokyoProd] = Array.from({ length: 4000 }, (_, i) => ({ Cidr: `10.5.${i >> 4}.${(i & 15) << 4}/28`, IpamPoolAllocationId: `a-${i}`, ResourceType: 'custom' as const }))
    const first = show(`/map?pool=${pools.tokyo}`, mock)
    await chart()
    await screen.findByText(/Added up by the scan 40 minutes ago/)
    await screen.findByText(/Tiles add up the blocks/)
    expect(asked(mock)).toEqual([{ IpamPoolId: pools.tokyo }])
    first.unmount()
    show(`/map?pool=${pools.tokyo}&cidr=10.5.4.0/24`, mock)
    await screen.findByText(/Read from the table/)
    // A view has a little of the blocks beside.
    expect(asked(mock).slice(2).map(i => i['Cidr'])).toEqual(['10.5.0.0/22', '10.5.4.0/22'])
  })

  test('shows a refusal in the API’s words, and an empty pool as empty', async () => {
    const mock = mockOf()
    mock.failures.set('GetIpamSpaceMap', new Refusal('Unavailable', 'Wait for the next scan.', 503))
    const first = show('/map', mock)
    await screen.findByText('Wait for the next scan.')
    first.unmount()
    const none = mockOf()
    none.data.cidrs[pools.tokyoDev] = []
    show(`/map?pool=${pools.tokyoDev}`, none)
    await screen.findByText('The pool has no CIDR yet.')
  })

  test('IPv6 of a scope, and a CIDR that is not there', async () => {
    const { mock } = show('/map?cidr=fd00:9::/40')
    await screen.findByText('fd00:9::/40 is not in the space of this map.')
    expect(asked(mock)[0]).toMatchObject({ AddressFamily: 'ipv6' })
  })

  test('of a time of the past, asks for it, allocates nothing, and comes back to now', async () => {
    const { mock, router } = show('/map?at=2025-01-01T00:00:00Z')
    const map = await chart()
    await screen.findByText('Read from the history')
    expect(asked(mock)).toEqual([{ IpamScopeId: 'ipam-scope-088307f7ce790b230', AddressFamily: 'ipv4', AtTime: '2025-01-01T00:00:00.000Z' }])
    act(() => map.focus())
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight']) fireEvent.keyDown(map, { key })
    // The VPC between the pool and the hole is younger.
    await screen.findByRole('heading', { level: 2, name: '10.8.0.0/13' })
    expect(screen.queryByRole('button', { name: 'Allocate here' })).toBeNull()
    fireEvent.keyDown(map, { key: 'a' })
    expect(router.state.location.pathname).toBe('/map')
    fireEvent.click(await screen.findByRole('button', { name: 'Back to now' }))
    await screen.findByText('Read from the table just now')
    expect(router.state.location.search).toBe('')
  })

  test('a time of the past is chosen in the form; one in the future is refused', async () => {
    const { router } = show('/map')
    fireEvent.click(await screen.findByRole('button', { name: 'Show a time of the past' }))
    const field = (label: string) => screen.findByLabelText(label)
    const write = async (label: string, value: string) => fireEvent.change(await field(label), { target: { value } })
    await write('Date', '2999/01/01')
    fireEvent.click(await screen.findByRole('button', { name: 'Show' }))
    await screen.findByText('Choose a date and a time that are not in the future.')
    await write('Date', '2025/01/02')
    await write('Time', '03:04:05')
    fireEvent.click(await screen.findByRole('button', { name: 'Show' }))
    const at = new Date('2025-01-02T03:04:05').toISOString().replace('.000Z', 'Z')
    await waitFor(() => expect(new URLSearchParams(router.state.location.search).get('at')).toBe(at))
  })
})
