import type { Page } from 'playwright-core'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Refusal, type Mock } from '../../mock/answer'
import { hostile, pools } from '../../mock/data'
import { mockOf } from '../../mock/server'
import { axe, closeBrowser, open, settled, type Look, type Viewed } from './browser'
import { forms, select } from './places'

afterAll(closeBrowser)

let viewed: Viewed | undefined
afterEach(async () => {
  await viewed?.close()
  viewed = undefined
})

async function show(mock: Mock, path: string, look: Look = {}): Promise<Page> {
  viewed = await open(mock, path, look)
  return viewed.page
}

const writes = (mock: Mock) => mock.calls.filter(c => !/^(Get|Describe|Search)/.test(c.operation) && c.input['PreviewNextCidr'] !== true)

describe.each(forms)('$name', ({ path, then, empty }) => {
  test.each([['en', 'light'], ['ja', 'dark']] as const)('in %s and %s: no fault, axe finds nothing serious, nothing is done yet', async (language, theme) => {
    const mock = mockOf({ empty: empty === true })
    const page = await show(mock, path, { language, theme })
    await then?.(page, language)
    await settled(page)
    expect(await axe(page)).toEqual([])
    expect(viewed?.faults).toEqual([])
    expect(writes(mock)).toEqual([])
  })
})

// press presses keys until the element with the focus has a name.
async function tabTo(page: Page, name: string): Promise<void> {
  const seen: string[] = []
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press('Tab')
    const now = await page.evaluate(() => {
      const e = document.activeElement as HTMLElement
      const labels = (e.getAttribute('aria-labelledby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '').join(' ')
      const own = (e as HTMLInputElement).labels?.[0]?.textContent ?? ''
      return [e.getAttribute('aria-label') ?? '', labels, own, e.textContent ?? ''].find(s => s.trim() !== '') ?? ''
    })
    seen.push(now)
    if (now.includes(name)) return
  }
  throw new Error(`no ${name} among ${seen.join(' | ')}`)
}

test('the wizard by keyboard alone makes an IPAM, its pools, their CIDRs and rules', async () => {
  const mock = mockOf({ empty: true })
  const page = await show(mock, '/')
  await tabTo(page, 'Create')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/create')
  await page.getByRole('heading', { level: 1, name: 'Create an address plan' }).waitFor()
  await tabTo(page, 'Name')
  await page.keyboard.type('corporate')
  await tabTo(page, 'Operating Regions')
  await page.keyboard.type('ap-northeast-3')
  await page.keyboard.press('Enter')
  await page.getByText('Remove ap-northeast-3').or(page.getByRole('button', { name: 'Remove ap-northeast-3' })).first().waitFor()
  await tabTo(page, 'Next')
  await page.keyboard.press('Enter')
  await tabTo(page, 'CIDR of the whole network')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('10.0.0.1/12')
  await tabTo(page, 'Next')
  await page.keyboard.press('Enter')
  // The wrong field has the focus, and its error text is there.
  await page.getByText('The block is 10.0.0.0/12.').waitFor()
  expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).value)).toBe('10.0.0.1/12')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('10.0.0.0/12')
  await tabTo(page, 'Next')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /The rules of/ }).waitFor()
  await tabTo(page, 'Import resources')
  await page.keyboard.press('Space')
  await tabTo(page, 'Next')
  await page.keyboard.press('Enter')
  await page.getByText('The top-level pool top-level-pool is created and gets 10.0.0.0/12.').waitFor()
  expect(writes(mock)).toEqual([])
  await tabTo(page, 'Create')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/pools')
  await page.getByText('The address plan is created.').waitFor()
  expect(mock.data.ipams[0]?.OperatingRegions).toEqual([{ RegionName: 'ap-northeast-1' }, { RegionName: 'ap-northeast-3' }])
  expect(mock.data.pools.map(p => [p.Tags?.[0]?.Value, p.Locale, p.AutoImport, mock.data.cidrs[p.IpamPoolId ?? '']?.[0]?.Cidr])).toEqual([
    ['top-level-pool', 'None', false, '10.0.0.0/12'], ['ap-northeast-1-pool', 'ap-northeast-1', true, '10.0.0.0/14'], ['ap-northeast-3-pool', 'ap-northeast-3', true, '10.4.0.0/14'],
  ])
  expect(viewed?.faults).toEqual([])
})

test('a hole of a pool leads to the form, which previews and allocates', async () => {
  const mock = mockOf()
  const page = await show(mock, `/pools/${pools.osakaProd}`)
  await page.getByRole('link', { name: 'Allocate in 10.1.2.0/23' }).click()
  await page.waitForURL('**/allocate?cidr=10.1.2.0%2F24')
  await page.getByText('10.1.2.0/24 is free.').waitFor()
  await page.getByRole('button', { name: 'By netmask length' }).click()
  await page.getByText('The pool would give').waitFor()
  await page.getByRole('textbox', { name: 'Description' }).fill(hostile)
  await page.getByText('aws cadastre allocate-ipam-pool-cidr').waitFor()
  expect(await page.locator('pre').textContent()).toContain(`'\\''`)
  await page.getByRole('button', { name: 'Allocate', exact: true }).click()
  await page.waitForURL(`**/pools/${pools.osakaProd}`)
  await page.getByText(/10\.1\.\d+\.0\/24 is allocated\./).waitFor()
  expect(mock.data.allocations[pools.osakaProd]?.at(-1)).toMatchObject({ ResourceType: 'custom', Description: hostile })
  await page.getByRole('link', { name: 'Show the allocations of the pool' }).click()
  await page.waitForURL('**tab=allocations')
  expect(viewed?.faults).toEqual([])
})

test('a refusal is shown in the words of the API and announced, and a lost answer does not allocate twice', async () => {
  const mock = mockOf()
  const page = await show(mock, `/pools/${pools.osakaProd}/allocate?cidr=10.1.0.0/24`)
  await page.getByText('The CIDR 10.1.0.0/24 is not available').first().waitFor()
  await page.getByRole('button', { name: 'Allocate', exact: true }).click()
  const alert = page.getByRole('alert').filter({ hasText: 'The API refused the request' })
  await alert.waitFor()
  expect(await alert.textContent()).toContain('it overlaps 10.1.0.0/24, which is vpc-0020880e7ea8f9b0c')
  await page.getByRole('textbox', { name: 'CIDR' }).fill('10.1.4.0/24')
  await page.getByText('10.1.4.0/24 is free.').waitFor()
  mock.lost.set('AllocateIpamPoolCidr', new Refusal('Unavailable', 'The answer is lost.', 503))
  await page.getByRole('button', { name: 'Allocate', exact: true }).click()
  await page.getByText('Whether it happened is not known.').waitFor()
  await page.getByRole('button', { name: 'Allocate', exact: true }).click()
  await page.getByText('10.1.4.0/24 is allocated.').waitFor()
  const sent = writes(mock)
  expect(new Set(sent.map(c => c.input['ClientToken'])).size).toBe(1)
  expect(mock.data.allocations[pools.osakaProd]?.filter(a => a.Cidr === '10.1.4.0/24')).toHaveLength(1)
})

test('an allocation is released', async () => {
  const mock = mockOf()
  const page = await show(mock, '/allocations')
  await select(page, '10.1.0.0/24')
  expect(await page.getByRole('button', { name: 'Release', exact: true }).getAttribute('aria-disabled')).toBe('true')
  await select(page, '10.1.16.0/22')
  await page.getByRole('button', { name: 'Release', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('goes back to the pool osaka-prod').waitFor()
  await dialog.getByRole('button', { name: 'Release', exact: true }).click()
  await page.getByText('10.1.16.0/22 is released.').waitFor()
  await page.getByText('On-premises data centre').waitFor({ state: 'detached' })
  expect(writes(mock).map(c => c.operation)).toEqual(['ReleaseIpamPoolAllocation'])
})

test('a pool is deleted with what is in it, after the word is typed', async () => {
  const mock = mockOf()
  const page = await show(mock, `/pools/${pools.osaka}`)
  await page.getByRole('button', { name: 'Actions' }).first().click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('The pools below: osaka-dev, osaka-prod').waitFor()
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await dialog.getByText('Enter delete to confirm.').waitFor()
  await dialog.getByRole('textbox').fill('delete')
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await dialog.getByText('DependencyViolation').waitFor()
  await dialog.getByRole('checkbox').check({ force: true })
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.waitForURL('**/pools')
  await page.getByText('osaka-pool is deleted.').waitFor()
  expect(mock.data.pools.map(p => p.IpamPoolId)).not.toContain(pools.osakaProd)
})

test('a resource is ignored, moved and watched again', async () => {
  const mock = mockOf()
  const page = await show(mock, '/resources')
  const act = async (name: string) => {
    await select(page, 'dx-lab-test-vpc')
    await page.getByRole('button', { name: 'Actions' }).click()
    await page.getByRole('menuitem', { name }).click()
    await page.getByRole('dialog').getByRole('button', { name, exact: true }).or(page.getByRole('dialog').getByRole('button', { name: name.split(' ')[0] ?? '', exact: true })).first().click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
  await act('Ignore')
  await page.getByText('vpc-09ada82fa4b5c6d7e is ignored.').waitFor()
  await act('Stop ignoring')
  await act('Move to another scope')
  await page.getByText('vpc-09ada82fa4b5c6d7e is in another scope.').waitFor()
  expect(writes(mock).map(c => [c.input['Monitored'], c.input['DestinationIpamScopeId'] !== undefined])).toEqual([[false, false], [true, false], [true, true]])
})

describe('each dialog and form acts', () => {
  const menu = async (page: Page, item: string, nth = 0) => {
    await page.getByRole('button', { name: 'Actions', exact: true }).nth(nth).click()
    await page.getByRole('menuitem', { name: item, exact: true }).click()
  }
  const inDialog = async (page: Page, button: string) => {
    await page.getByRole('dialog').getByRole('button', { name: button, exact: true }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
  const choose = async (page: Page, field: string | RegExp, option: string) => {
    await page.getByRole('button', { name: field }).click()
    await page.getByRole('option', { name: option }).first().click()
  }

  test('share and end the share', async () => {
    const mock = mockOf()
    const page = await show(mock, `/pools/${pools.osakaProd}?tab=shares`)
    await page.getByRole('button', { name: 'Share', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('textbox', { name: 'Principal' }).fill('12345')
    await dialog.getByRole('button', { name: 'Share', exact: true }).click()
    await dialog.getByText('Enter an account of 12 digits').waitFor()
    await dialog.getByRole('textbox', { name: 'Principal' }).fill('444455556666')
    await inDialog(page, 'Share')
    await page.getByText('The pool osaka-prod is shared.').waitFor()
    await select(page, '444455556666')
    await page.getByRole('button', { name: 'End the share', exact: true }).click()
    await inDialog(page, 'End the share')
    expect(writes(mock).map(c => [c.operation, c.input['Principal']])).toEqual([['PutIpamPoolShare', '444455556666'], ['DeleteIpamPoolShare', '444455556666']])
    expect(mock.data.shares).toHaveLength(2)
  })

  test('set and remove tags', async () => {
    const mock = mockOf()
    const page = await show(mock, `/pools/${pools.osakaProd}?tab=tags`)
    await page.getByRole('button', { name: 'Change tags', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Add tag' }).click()
    await dialog.getByRole('textbox').nth(2).fill('team')
    await dialog.getByRole('textbox').nth(3).fill(hostile)
    await dialog.getByRole('button', { name: 'Remove the tag Name' }).click()
    await dialog.getByText('The tag Name=osaka-prod is removed.').waitFor()
    await inDialog(page, 'Save')
    expect(mock.data.pools.find(p => p.IpamPoolId === pools.osakaProd)?.Tags).toEqual([{ Key: 'team', Value: hostile }])
    expect(viewed?.faults).toEqual([])
  })

  test('provision, and deprovision with its reason and its end', async () => {
    const mock = mockOf()
    const page = await show(mock, `/pools/${pools.osakaProd}?tab=cidrs`)
    await page.getByRole('button', { name: 'Provision a CIDR', exact: true }).first().click()
    await choose(page, /Netmask length/, '/17')
    await inDialog(page, 'Provision a CIDR')
    await page.getByText('10.2.0.0/17').first().waitFor()
    await select(page, '10.1.0.0/16')
    await page.getByRole('button', { name: 'Deprovision', exact: true }).click()
    await page.getByRole('dialog').getByText('4 allocations in it are in the way.').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Deprovision', exact: true }).click()
    await page.getByRole('dialog').getByText('The API accepted the request, but it failed').waitFor()
    await page.getByRole('dialog').getByText('The CIDR has one or more allocations').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await select(page, '10.2.0.0/17')
    await page.getByRole('button', { name: 'Deprovision', exact: true }).click()
    await inDialog(page, 'Deprovision')
    expect(mock.data.cidrs[pools.osakaProd]?.map(c => [c.Cidr, c.State])).toEqual([['10.1.0.0/16', 'failed-deprovision'], ['10.2.0.0/17', 'deprovisioned']])
  })

  test('change a pool', async () => {
    const mock = mockOf()
    const page = await show(mock, `/pools/${pools.osakaProd}/edit`)
    await page.getByRole('textbox', { name: 'Description' }).fill('Changed')
    await choose(page, /Default/, '/25')
    await page.getByText('A request without a length gets /25.').waitFor()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The pool osaka-prod is changed.').waitFor()
    expect(writes(mock).map(c => c.input)).toEqual([{ IpamPoolId: pools.osakaProd, Description: 'Changed', AllocationDefaultNetmaskLength: 25 }])
  })

  test('create a pool below another', async () => {
    const mock = mockOf()
    const page = await show(mock, `/pools/${pools.osaka}`)
    await menu(page, 'Create a pool below')
    await page.waitForURL('**/create?step=pool&source=*')
    await page.getByRole('textbox', { name: 'Name' }).fill('osaka-test')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByText('Choose a length.').waitFor()
    await choose(page, /^Netmask length Choose/, '/20')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByText('The pool osaka-test is created.').waitFor()
    await page.getByRole('heading', { level: 1, name: 'osaka-test' }).waitFor()
    const made = mock.data.pools.at(-1)
    expect([made?.Locale, mock.data.cidrs[made?.IpamPoolId ?? '']?.[0]?.Cidr]).toEqual(['ap-northeast-3', '10.2.0.0/20'])
  })

  test('change an IPAM, and create, describe and delete a scope', async () => {
    const mock = mockOf()
    const page = await show(mock, '/settings')
    await menu(page, 'Change')
    await page.getByRole('dialog').getByRole('button', { name: 'Remove us-east-1' }).click()
    await page.getByRole('dialog').getByText('It does not operate in us-east-1 any more.').waitFor()
    await inDialog(page, 'Save')
    expect(mock.data.ipams[0]?.OperatingRegions).toHaveLength(2)
    await page.getByRole('button', { name: 'Create scope' }).click()
    await page.getByRole('textbox', { name: 'Description' }).fill('Laboratory')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.waitForURL('**/settings')
    await select(page, 'Laboratory')
    await menu(page, 'Change the description', 1)
    await page.getByRole('dialog').getByRole('textbox').fill('Old laboratory')
    await inDialog(page, 'Save')
    await select(page, 'Old laboratory')
    await menu(page, 'Delete', 1)
    await page.getByRole('dialog').getByRole('textbox').fill('delete')
    await inDialog(page, 'Delete')
    await page.getByText('Old laboratory').waitFor({ state: 'detached' })
    expect(writes(mock).map(c => c.operation)).toEqual(['ModifyIpam', 'CreateIpamScope', 'ModifyIpamScope', 'DeleteIpamScope'])
  })

  test('import a resource by its pool', async () => {
    const mock = mockOf()
    for (const p of mock.data.pools) p.AutoImport = false
    const page = await show(mock, '/resources')
    await select(page, 'dx-lab-test-vpc')
    await menu(page, 'Import')
    await page.getByRole('dialog').getByText('The pool osaka-dev imports resources').waitFor()
    await inDialog(page, 'Import')
    expect(writes(mock).map(c => c.input)).toEqual([{ IpamPoolId: pools.osakaDev, AutoImport: true }])
  })
})

describe('a class is offered what it may do', () => {
  const acts = ['Actions', 'Allocate', 'Create pool', 'Release', 'Share', 'Deprovision', 'Provision a CIDR', 'End the share', 'Change tags', 'Create scope']
  test('a reader has no act on any page, and a form tells why', async () => {
    const page = await show(mockOf({ class: 'read' }), '/')
    for (const path of ['/pools', `/pools/${pools.osakaProd}`, ...['cidrs', 'allocations', 'resources', 'shares', 'tags'].map(t => `/pools/${pools.osakaProd}?tab=${t}`), '/allocations', '/resources', '/settings']) {
      await page.goto(new URL(path, viewed?.served.url).href)
      await settled(page)
      for (const name of acts) expect([path, name, await page.getByRole('button', { name, exact: true }).count()]).toEqual([path, name, 0])
      expect(await page.getByRole('link', { name: /^Allocate/ }).count()).toBe(0)
    }
    for (const path of [`/pools/${pools.osakaProd}/allocate`, `/pools/${pools.osakaProd}/edit`, '/create', '/create?step=pool', '/create?step=scope']) {
      await page.goto(new URL(path, viewed?.served.url).href)
      await page.getByText('Your class may not do this').waitFor()
      expect(await page.locator('main form, form input').count()).toBe(0)
    }
  })
  test('one who allocates, allocates and releases only', async () => {
    const page = await show(mockOf({ class: 'allocate' }), `/pools/${pools.osakaProd}?tab=allocations`)
    expect(await page.getByRole('button', { name: 'Allocate', exact: true }).count()).toBe(1)
    expect(await page.getByRole('button', { name: 'Release', exact: true }).count()).toBe(1)
    await select(page, '10.1.16.0/22')
    await page.getByRole('button', { name: 'Actions' }).click()
    expect(await page.getByRole('menuitem').allTextContents()).toEqual(['Change the description'])
  })
})
