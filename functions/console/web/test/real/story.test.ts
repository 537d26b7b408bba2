// The story of a network in the pages of `cadastre console`, from no IPAM to a shared pool,
// against the deployed functions. localstack/e2e/test_console_pages.py starts the console,
// and each test uses the objects of the tests before it.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { launch, settled } from '../browser/browser'
import { select } from '../browser/places'
import { describeFailure, list, need, post, until, watch } from './world'

const tokyo = 'ap-northeast-1'
const osaka = 'ap-northeast-3'
const hostile = '<img src=x onerror="window.hostile=1">"\'&{{7*7}}'

const link = new URL(need('CONSOLE_LINK'))
let chromium: Browser
let context: BrowserContext
let page: Page
let faults: string[]
let failed = false

beforeAll(async () => {
  chromium = await launch()
  context = await chromium.newContext({ locale: 'en-GB', timezoneId: 'Asia/Tokyo', viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' })
  context.setDefaultTimeout(30_000)
  faults = watch(context)
  page = await context.newPage()
})

afterAll(() => chromium?.close())

beforeEach(t => { if (failed) t.skip() })

afterEach(async t => {
  if (t.task.result?.state !== 'fail') return
  failed = true
  console.error(await describeFailure(page, faults))
})

async function show(path: string): Promise<void> {
  await page.goto(link.origin + path)
  await settled(page)
}

const button = (name: string) => page.getByRole('button', { name, exact: true })
const cell = (text: string) => page.locator('tbody :is(td, th)').filter({ hasText: text }).first()

async function choose(label: string, option: string | RegExp): Promise<void> {
  await button(label).or(page.getByRole('combobox', { name: label })).or(page.getByLabel(label, { exact: true })).first().click()
  await page.getByRole('option', { name: option }).first().click()
}

async function menu(name: string): Promise<void> {
  await button('Actions').first().click()
  await page.getByRole('menuitem', { name, exact: true }).click()
}

// confirm ends the open dialog with its button, and waits for the notice.
async function confirm(name: string, notice: string): Promise<void> {
  await page.getByRole('dialog').getByRole('button', { name, exact: true }).click()
  await page.getByText(notice).first().waitFor()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
}

// poolOf opens the page of a pool with a name and returns its id.
async function poolOf(name: string): Promise<string> {
  const pools = await list(page, 'DescribeIpamPools', 'IpamPools', { Filters: [{ Name: 'tag:Name', Values: [name] }] })
  const id = pools[0]?.['IpamPoolId']
  if (typeof id !== 'string') throw new Error(`there is no pool ${name}`)
  await show(`/pools/${id}`)
  await page.getByRole('heading', { level: 1, name }).waitFor()
  return id
}

// run runs a program with a member account's credentials: on the emulator, an account's id is
// a key of its root.
async function run(program: string, args: string[], account: string, region: string): Promise<string> {
  const env = { ...process.env, AWS_ACCESS_KEY_ID: account, AWS_SECRET_ACCESS_KEY: 'test', AWS_DEFAULT_REGION: region, AWS_PAGER: '' }
  return (await promisify(execFile)(program, args, { env })).stdout.trim()
}

// createVpc makes a VPC in the member account, and hands its event to the discovery function.
async function createVpc(cidr: string, region: string, name: string): Promise<string> {
  const account = need('MEMBER')
  const tags = JSON.stringify([{ ResourceType: 'vpc', Tags: [{ Key: 'Name', Value: name }] }])
  const id = await run(need('AWS_CLI'), ['ec2', 'create-vpc', '--cidr-block', cidr, '--tag-specifications', tags, '--query', 'Vpc.VpcId', '--output', 'text'], account, region)
  await run(need('PYTHON'), [need('NETWORK'), 'event', 'CreateVpc', account, region, id], account, region)
  return id
}

// discover runs the discovery of all accounts once, as the schedule does.
async function discover(): Promise<void> {
  await run(need('AWS_CLI'), ['lambda', 'invoke', '--function-name', need('CADASTRE_DISCOVERY_FUNCTION'), '--payload', Buffer.from('{"dispatch": true}').toString('base64'), '/dev/null'], '000000000000', 'us-east-1')
}

// resource returns a resource as the API shows it, once a condition holds.
async function resource(id: string, holds: (r: Record<string, unknown>) => boolean, IpamScopeId = scope): Promise<Record<string, unknown>> {
  return until(`${id} to be as expected`, async () => (await list(page, 'GetIpamResourceCidrs', 'IpamResourceCidrs', { IpamScopeId, ResourceId: id })).find(holds), 90)
}

let scope = ''
let vpc = ''
let twins: [string, string] = ['', '']

test('the link opens the console once, for this browser', async () => {
  await page.goto(link.href)
  await settled(page)
  await page.getByText('There is no IPAM yet').waitFor()
  const other = await chromium.newContext()
  const answer = await (await other.newPage()).goto(link.href)
  expect(answer?.status()).toBe(403)
  await other.close()
  expect((await context.cookies()).map(c => [c.httpOnly, c.sameSite])).toEqual([[true, 'Strict']])
})

test('the wizard makes an IPAM with two Regions, a top-level pool and a pool for each Region', async () => {
  await page.getByRole('button', { name: 'Create an IPAM' }).or(page.getByRole('link', { name: 'Create an IPAM' })).first().click()
  await page.getByRole('textbox', { name: /^Name/ }).fill('corporate')
  for (const region of [tokyo, osaka]) {
    await page.getByRole('combobox', { name: 'Operating Regions' }).fill(region)
    await page.keyboard.press('Enter')
    await button(`Remove ${region}`).waitFor()
  }
  await button('Next').click()
  await page.getByRole('textbox', { name: 'CIDR of the whole network' }).fill('10.0.0.0/12')
  await page.getByRole('checkbox', { name: 'Pool in us-east-1' }).uncheck({ force: true })
  await page.getByRole('textbox', { name: `Name: ${tokyo}` }).fill('tokyo-pool')
  await page.getByRole('textbox', { name: `Name: ${osaka}` }).fill('osaka-pool')
  for (const region of [tokyo, osaka]) await choose(`Length: ${region}`, /^\/14/)
  await button('Next').click()
  await page.getByText('The rules of tokyo-pool, osaka-pool').waitFor()
  await button('Next').click()
  await page.getByText('The top-level pool top-level-pool is created and gets 10.0.0.0/12.').waitFor()
  await button('Create').click()
  await page.waitForURL('**/pools')
  await page.getByText('The address plan is created.').waitFor()
  await settled(page)
  for (const name of ['top-level-pool', 'tokyo-pool', 'osaka-pool']) await cell(name).waitFor()
  const ipam = (await list(page, 'DescribeIpams', 'Ipams'))[0]
  expect((ipam?.['OperatingRegions'] as { RegionName: string }[]).map(r => r.RegionName).sort()).toEqual([tokyo, osaka, 'us-east-1'])
  scope = String(ipam?.['PrivateDefaultScopeId'])
})

test('a third level of pools, with rules that the pool’s page writes as sentences', async () => {
  for (const [name, above, cidr] of [['osaka-prod', 'osaka-pool', '10.4.0.0/16'], ['tokyo-prod', 'tokyo-pool', '10.0.0.0/16']] as const) {
    await poolOf(above)
    await menu('Create a pool below')
    await page.getByRole('textbox', { name: /^Name/ }).fill(name)
    await page.getByRole('textbox', { name: /^Description/ }).fill(`The description of ${name} ${hostile}`)
    await button('By CIDR').click()
    await page.getByRole('textbox', { name: 'CIDR' }).fill(cidr)
    await choose('Largest block', /^\/20/)
    await choose('Smallest block', /^\/28/)
    await choose('Default', /^\/24/)
    await button('Create').click()
    await page.getByText(`The pool ${name} is created.`).waitFor()
    await page.waitForURL('**/pools/ipam-pool-*')
    await settled(page)
    await page.getByText(cidr).first().waitFor()
    await page.getByText(`The description of ${name} ${hostile}`).waitFor()
  }
  await poolOf('osaka-prod')
  await page.getByRole('tab', { name: 'Rules' }).click()
  for (const said of ['An allocation has a length from /20 (largest) to /28 (smallest).', 'A request without a length gets /24.', `Only resources in ${osaka} get space`]) await page.getByText(said).waitFor()
})

test('an allocation by length, with a preview, and one by CIDR', async () => {
  await poolOf('osaka-prod')
  await button('Allocate').first().click()
  await page.getByText('The pool would give 10.4.0.0/24.').waitFor()
  await page.getByRole('textbox', { name: /^Description/ }).fill(hostile)
  await button('Allocate').click()
  await page.getByText('10.4.0.0/24 is allocated.').waitFor()

  // The row of a hole leads to the form.
  await page.getByRole('link', { name: 'Allocate in 10.4.1.0/24' }).click()
  await page.getByRole('textbox', { name: 'CIDR' }).fill('10.4.16.0/20')
  await page.getByText('10.4.16.0/20 is free.').waitFor()
  await page.getByText('aws cadastre allocate-ipam-pool-cidr').first().waitFor()
  await button('Allocate').click()
  await page.getByText('10.4.16.0/20 is allocated.').waitFor()
  await page.getByRole('tab', { name: 'Allocations' }).click()
  for (const text of ['10.4.0.0/24', '10.4.16.0/20', hostile]) await cell(text).waitFor()
})

test('a refusal shows the reason in the API’s words', async () => {
  const pool = await poolOf('osaka-prod')
  const asked = { IpamPoolId: pool, Cidr: '10.4.0.0/25' }
  const words = String((await post(page, 'AllocateIpamPoolCidr', asked, { 'X-Cadastre-Console': '1', 'X-Cadastre-Region': osaka })).body['Message'])
  expect(words).toContain('10.4.0.0/24')
  await show(`/pools/${pool}/allocate?cidr=10.4.0.0/25`)
  await page.getByText(words).first().waitFor()
  await button('Allocate').click()
  const alert = page.getByRole('alert').filter({ hasText: 'The API refused the request' })
  await alert.getByText(words).waitFor()
  await page.getByRole('textbox', { name: 'CIDR' }).fill('10.4.32.0/19')
  await page.getByText('/20').first().waitFor()
  await button('Allocate').click()
  await alert.getByText(/netmask/i).first().waitFor()
})

test('a VPC is found, with a name that its owner wrote, and a pool imports it', async () => {
  vpc = await createVpc('10.4.64.0/24', osaka, hostile)
  await resource(vpc, r => r['ManagementState'] === 'unmanaged')
  await show(`/resources?resource-id=${vpc}`)
  await cell(vpc).waitFor()
  await cell(hostile).waitFor()
  await cell('Unmanaged').waitFor()
  await select(page, vpc)
  await menu('Import')
  await page.getByRole('dialog').getByText('The pool osaka-prod imports resources').waitFor()
  await confirm('Import', 'The pool osaka-prod imports resources.')
  await discover()
  await resource(vpc, r => r['ManagementState'] === 'managed')
  await show(`/resources?resource-id=${vpc}`)
  await cell('Compliant').waitFor()
  await poolOf('osaka-prod')
  await page.getByRole('tab', { name: 'Allocations' }).click()
  await cell(vpc).waitFor()
})

test('an overlapping pair is seen side by side; one of it is ignored', async () => {
  twins = [await createVpc('172.16.0.0/16', osaka, 'shop'), await createVpc('172.16.8.0/24', tokyo, 'stock')]
  for (const id of twins) await resource(id, r => r['OverlapStatus'] === 'overlapping')
  await show('/overlaps')
  await page.getByRole('heading', { name: '172.16.0.0/16 ∩ 172.16.8.0/24' }).waitFor()
  for (const text of ['1 pairs', 'shop', 'stock', ...twins]) await page.getByText(text).first().waitFor()
  await page.getByText('Ways out').click()
  await page.getByRole('link', { name: `Open it among the resources to act: ${twins[1]}` }).click()
  await settled(page)
  await select(page, twins[1])
  await menu('Ignore')
  await confirm('Ignore', `${twins[1]} is ignored.`)
  await resource(twins[0], r => r['OverlapStatus'] === 'nonoverlapping')
  await show('/overlaps')
  await page.getByText('No overlaps in this scope').waitFor()
})

test('the history of a CIDR, with its time line and as CSV', async () => {
  await until('the history', async () => {
    const { body } = await post(page, 'GetIpamAddressHistory', { Cidr: '172.16.8.0/24', IpamScopeId: scope })
    return (body['HistoryRecords'] as { ResourceComplianceStatus?: string }[]).some(r => r.ResourceComplianceStatus === 'ignored')
  })
  await show('/history?cidr=172.16.8.0/24')
  await cell(twins[1]).waitFor()
  await page.getByRole('img', { name: new RegExp(twins[1]) }).first().waitFor()
  const saved = page.waitForEvent('download')
  await page.getByRole('button', { name: /^Download CSV/ }).click()
  const chunks: Buffer[] = []
  for await (const chunk of await (await saved).createReadStream()) chunks.push(chunk as Buffer)
  const [head, ...rows] = Buffer.concat(chunks).toString().trimEnd().split('\r\n')
  expect(head).toContain('CIDR')
  expect(rows.length).toBeGreaterThan(0)
  for (const row of rows) expect(row).toContain(twins[1])
  expect(rows.join('\n')).toMatch(/ignored/i)
})

test('a VPC moves to a scope of its own', async () => {
  await show('/create?step=scope')
  await page.getByRole('textbox', { name: /^Description/ }).fill('acquired')
  await button('Create').click()
  await page.getByText('The scope is created.').waitFor()
  await show(`/resources?resource-id=${twins[0]}`)
  await select(page, twins[0])
  await menu('Move to another scope')
  await page.getByRole('dialog').getByText('172.16.0.0/16 leaves its scope').waitFor()
  await confirm('Move to another scope', `${twins[0]} is in another scope.`)
  const scopes = await list(page, 'DescribeIpamScopes', 'IpamScopes')
  const to = String(scopes.find(s => s['Description'] === 'acquired')?.['IpamScopeId'])
  await resource(twins[0], () => true, to)
  await show(`/resources?scope=${to}`)
  await cell(twins[0]).waitFor()
  await show('/resources')
  await cell(vpc).waitFor()
  expect(await page.locator('tbody tr').filter({ hasText: twins[0] }).count()).toBe(0)
})

test('a pool is shared with an account, and the share ends', async () => {
  const pool = await poolOf('osaka-prod')
  await menu('Share')
  await page.getByRole('dialog').getByRole('textbox', { name: 'Principal' }).fill(need('MEMBER'))
  await confirm('Share', 'The pool osaka-prod is shared.')
  await page.getByRole('tab', { name: 'Shares' }).click()
  await cell(need('MEMBER')).waitFor()
  expect((await list(page, 'DescribeIpamPoolShares', 'IpamPoolShares', { IpamPoolIds: [pool] })).map(s => s['Principal'])).toEqual([need('MEMBER')])
  await select(page, need('MEMBER'))
  await button('End the share').click()
  await confirm('End the share', `The share with ${need('MEMBER')} has ended.`)
  await page.getByText('The pool is not shared.').waitFor()
})

test('the map shows the space; a hole leads to an allocation there, which is released again', async () => {
  const pool = await poolOf('osaka-prod')
  await show(`/map?pool=${pool}&view=table`)
  for (const text of ['10.4.0.0/24', '10.4.16.0/20', '10.4.64.0/24']) await cell(text).waitFor()
  await show(`/map?pool=${pool}&cidr=10.4.128.0/17`)
  const canvas = page.locator('canvas')
  const box = await canvas.boundingBox()
  if (!box) throw new Error('there is no canvas')
  // 10.4.128.0/17 is one free block, below the rows of the blocks around it.
  for (let y = box.height - 10; y > 10 && !page.url().includes('/allocate'); y -= 15) {
    await canvas.click({ position: { x: box.width / 2, y } })
    await page.waitForTimeout(50)
  }
  await page.waitForURL('**/allocate?cidr=*')
  expect(Number(new URL(page.url()).searchParams.get('cidr')?.split('.')[2])).toBeGreaterThanOrEqual(128)
  await page.getByRole('textbox', { name: 'CIDR' }).fill('10.4.128.0/24')
  await page.getByText('10.4.128.0/24 is free.').waitFor()
  await button('Allocate').click()
  await page.getByText('10.4.128.0/24 is allocated.').waitFor()
  await show(`/pools/${pool}?tab=allocations`)
  await select(page, '10.4.128.0/24')
  await button('Release').click()
  await confirm('Release', '10.4.128.0/24 is released.')
  expect((await list(page, 'GetIpamPoolAllocations', 'IpamPoolAllocations', { IpamPoolId: pool })).map(a => a['Cidr'])).not.toContain('10.4.128.0/24')
})

test('search answers which pool an address is in, and who has it', async () => {
  await page.keyboard.press('/')
  await page.keyboard.type('10.4.64.7')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/search?q=10.4.64.7')
  await settled(page)
  for (const text of ['osaka-prod', vpc]) await page.getByText(text).first().waitFor()
})

test('texts that others wrote are text on every page, and no page has a fault', async () => {
  const pool = await poolOf('osaka-prod')
  const places = [
    '/', '/pools', ...['space', 'cidrs', 'allocations', 'resources', 'rules', 'utilisation', 'shares', 'events', 'tags'].map(tab => `/pools/${pool}?tab=${tab}`), `/pools/${pool}/allocate`, `/pools/${pool}/edit`,
    `/map?pool=${pool}`, `/map?pool=${pool}&view=table`, '/allocations', '/resources', '/overlaps', '/history?cidr=10.4.64.0/24', '/public', '/discovery', '/requests', '/settings', '/search?q=osaka-prod', `/search?q=${vpc}`, '/create',
  ]
  let shown = 0
  for (const path of places) {
    await show(path)
    expect([path, await page.evaluate(() => (window as unknown as { hostile?: number }).hostile), await page.locator('#root img[src="x"]').count()]).toEqual([path, undefined, 0])
    if ((await page.locator('body').textContent())?.includes(hostile) === true) shown++
  }
  expect(shown).toBeGreaterThanOrEqual(6)
  expect(faults).toEqual([])
})
