import { afterEach, expect, test, vi } from 'vitest'
import { APIError, call, signedOut, unreachable, whenSignedOut } from './call'
import { collect } from './paging'

afterEach(() => vi.unstubAllGlobals())

function answers(...list: { status?: number; body: string; headers?: Record<string, string> }[]) {
  const requests: { path: string; init: RequestInit }[] = []
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    requests.push({ path, init })
    const { status = 200, body, headers = {} } = list[Math.min(requests.length, list.length) - 1] ?? { body: '' }
    return Promise.resolve(new Response(body, { status, headers }))
  })
  return requests
}

test('a call posts to the operation with the console’s header', async () => {
  const requests = answers({ body: '{"IpamPools":[]}' })
  await call('DescribeIpamPools', { MaxResults: 5 }, { region: 'eu-west-1' })
  expect(requests[0]).toMatchObject({ path: '/v1/DescribeIpamPools', init: { method: 'POST', body: '{"MaxResults":5}', redirect: 'error', headers: { 'X-Cadastre-Console': '1', 'X-Cadastre-Region': 'eu-west-1' } } })
})

test.each([
  ['the API’s refusal', { status: 400, body: '{"Code":"InvalidParameterValue","Message":"Give a CIDR.","RequestId":"r1"}' }, { code: 'InvalidParameterValue', message: 'Give a CIDR.', status: 400, requestId: 'r1' }],
  ['a refusal with 401 of the API', { status: 401, body: '{"Code":"AuthFailure","Message":"No."}' }, { code: 'AuthFailure', status: 401 }],
  ['an ended session', { status: 401, body: '{"Code":"AuthFailure","Message":"There is no session."}', headers: { 'X-Cadastre-Session': 'none' } }, { code: signedOut, status: 401 }],
  ['an ended session, as something between says', { status: 401, body: '{}' }, { code: signedOut, status: 401 }],
  ['an ended session without a body', { status: 401, body: '' }, { code: signedOut, status: 401 }],
  ['API Gateway’s words', { status: 403, body: '{"message":"Forbidden"}' }, { code: 'HTTP 403', message: 'Forbidden' }],
  ['a page of something between', { status: 502, body: '<html>Bad gateway</html>' }, { code: 'HTTP 502', message: '<html>Bad gateway</html>' }],
] as const)('%s', async (_, answer, want) => {
  let out = 0
  whenSignedOut(() => out++)
  answers(answer)
  const error: unknown = await call('DescribeIpamPools', {}).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(APIError)
  expect(error).toMatchObject(want)
  expect(out).toBe(want.code === signedOut ? 1 : 0)
})

test('a server that does not answer', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
  await expect(call('DescribeIpamPools', {})).rejects.toMatchObject({ code: unreachable })
})

test('a list is read over short and empty pages', async () => {
  const requests = answers({ body: '{"IpamPools":[{"IpamPoolId":"a"}],"NextToken":"1"}' }, { body: '{"IpamPools":[],"NextToken":"2"}' }, { body: '{"NextToken":"3"}' }, { body: '{"IpamPools":[{"IpamPoolId":"b"},{"IpamPoolId":"c"}]}' })
  expect((await collect('DescribeIpamPools', {}, o => o.IpamPools)).rows.map(p => p.IpamPoolId)).toEqual(['a', 'b', 'c'])
  expect(requests.map(r => (JSON.parse(r.init.body as string) as { NextToken?: string }).NextToken)).toEqual([undefined, '1', '2', '3'])
})

test('a list of ids is asked for without a number of rows', async () => {
  const requests = answers({ body: '{"IpamPoolShares":[]}' })
  await collect('DescribeIpamPoolShares', { IpamPoolIds: ['p'] }, o => o.IpamPoolShares)
  await collect('DescribeIpamPoolShares', {}, o => o.IpamPoolShares)
  expect(requests.map(r => r.init.body)).toEqual(['{"IpamPoolIds":["p"]}', '{"MaxResults":1000}'])
})

test('a list that is cut says so', async () => {
  answers({ body: '{"IpamPools":[{"IpamPoolId":"a"},{"IpamPoolId":"b"}]}' })
  expect(await collect('DescribeIpamPools', {}, o => o.IpamPools, { limit: 1 })).toMatchObject({ rows: [{ IpamPoolId: 'a' }], more: true })
  expect(await collect('DescribeIpamPools', {}, o => o.IpamPools, { limit: 2 })).toMatchObject({ more: false })
})
