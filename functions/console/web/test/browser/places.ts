// All pages, for the tests of all pages and for the pictures.
import type { Page } from 'playwright-core'
import { pools } from '../../mock/data'
import { asking } from '../../src/acts/dialogtext'
import { texts as creating } from '../../src/pages/create/text'
import type { Language } from '../../src/viewer'

export interface Place {
  name: string
  path: string
  // then opens a part that the address alone does not show: a dialog, say.
  then?: (page: Page, language: Language) => Promise<void>
  empty?: boolean // without an IPAM
}

// select selects the row of a list that has a text.
export async function select(page: Page, text: string): Promise<void> {
  await page.locator('tbody tr').filter({ hasText: text }).first().locator('input[type="radio"]').check({ force: true })
}

// act chooses an act of the nth menu of the page.
async function act(page: Page, language: Language, id: string, nth = 0): Promise<void> {
  await page.getByRole('button', { name: asking[language].actions, exact: true }).nth(nth).click()
  await page.getByTestId(id).getByRole('menuitem').click()
  await page.getByRole('dialog').waitFor()
}

async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).first().click()
  await page.getByRole('dialog').waitFor()
}

const pool = `/pools/${pools.osakaProd}`
const next = (n: number) => async (page: Page, language: Language) => {
  for (let i = 0; i < n; i++) await page.getByRole('button', { name: creating[language].wizard.next, exact: true }).click()
}

export const places: Place[] = [
  { name: 'home', path: '/' },
  { name: 'pools', path: '/pools' },
  { name: 'pool', path: pool },
  { name: 'pool-utilisation', path: `/pools/${pools.tokyoProd}?tab=utilisation` },
  { name: 'pool-resources', path: `${pool}?tab=resources` },
  { name: 'pool-rules', path: `${pool}?tab=rules` },
  { name: 'map', path: '/map' },
  { name: 'map-zoomed', path: '/map?cidr=10.1.0.0/16&colour=compliance' },
  { name: 'map-pool', path: `/map?pool=${pools.tokyo}&colour=owner` },
  { name: 'map-ipv6', path: '/map?family=ipv6&colour=age' },
  { name: 'map-table', path: '/map?view=table' },
  { name: 'map-past', path: '/map?at=2025-01-01T00:00:00Z' },
  { name: 'resources', path: '/resources' },
  { name: 'overlaps', path: '/overlaps' },
  { name: 'history', path: '/history?cidr=10.1.0.0/24' },
  { name: 'public', path: '/public' },
  { name: 'discovery', path: '/discovery' },
  { name: 'allocations', path: '/allocations' },
  { name: 'requests', path: '/requests' },
  { name: 'settings', path: '/settings' },
  { name: 'search', path: '/search?q=10.1.0.5' },
]

// The map of a network with more blocks than one answer holds.
export const manyBlocks: Place[] = [
  { name: 'map-tiles', path: '/map' },
  { name: 'map-tiles-compliance', path: '/map?colour=compliance' },
  { name: 'map-tiles-zoomed', path: '/map?cidr=10.7.32.0/20' },
  { name: 'map-tiles-table', path: '/map?view=table' },
]

// forms are the acts, before they act.
export const forms: Place[] = [
  { name: 'create-ipam', path: '/create', empty: true },
  { name: 'create-space', path: '/create', then: next(1) },
  { name: 'create-rules', path: '/create', then: next(2) },
  { name: 'create-review', path: '/create', empty: true, then: next(3) },
  { name: 'create-pool', path: `/create?step=pool&source=${pools.osaka}` },
  { name: 'create-scope', path: '/create?step=scope' },
  { name: 'allocate', path: `${pool}/allocate` },
  { name: 'allocate-cidr', path: `${pool}/allocate?cidr=10.1.0.0/24` },
  { name: 'edit-pool', path: `${pool}/edit` },
  { name: 'act-release', path: `${pool}?tab=allocations`, then: async (page, l) => { await select(page, '10.1.16.0/22'); await press(page, asking[l].release) } },
  { name: 'act-describe', path: `${pool}?tab=allocations`, then: async (page, l) => { await select(page, '10.1.16.0/22'); await act(page, l, 'describe', 1) } },
  { name: 'act-tags', path: pool, then: (page, l) => act(page, l, 'tags') },
  { name: 'act-provision', path: pool, then: (page, l) => act(page, l, 'provision') },
  { name: 'act-deprovision', path: `${pool}?tab=cidrs`, then: async (page, l) => { await select(page, '10.1.0.0/16'); await press(page, asking[l].deprovision) } },
  { name: 'act-share', path: pool, then: (page, l) => act(page, l, 'share') },
  { name: 'act-unshare', path: `${pool}?tab=shares`, then: async (page, l) => { await select(page, 'ou-ab12'); await press(page, asking[l].unshare) } },
  { name: 'act-delete-pool', path: `/pools/${pools.osaka}`, then: (page, l) => act(page, l, 'delete') },
  { name: 'act-ignore', path: '/resources', then: async (page, l) => { await select(page, 'dx-lab-test-vpc'); await act(page, l, 'ignore') } },
  { name: 'act-move', path: '/resources', then: async (page, l) => { await select(page, 'dx-lab-test-vpc'); await act(page, l, 'move') } },
  { name: 'act-import', path: '/resources', then: async (page, l) => { await select(page, 'dx-lab-test-vpc'); await act(page, l, 'import') } },
  { name: 'act-edit-ipam', path: '/settings', then: (page, l) => act(page, l, 'edit') },
  { name: 'act-delete-ipam', path: '/settings', then: (page, l) => act(page, l, 'delete') },
]
