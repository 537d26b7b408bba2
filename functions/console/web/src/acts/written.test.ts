import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Operation } from '../api/call'
import { wizardPlan } from '../pages/create/plans'
import { step, type Plan } from './plan'
import { acting } from './text'
import { awsCLI, hcl, json, shell, written, yaml, type Form } from './written'

const words = acting.en.words
const pool = 'ipam-pool-0123456789abcdef0'
const alloc = 'ipam-pool-alloc-0123456789abcdef0123456789abcdef'

// Texts that others write: names, descriptions, tags.
const hostile = [
  `'; rm -rf / #`, '$(touch /tmp/x)', '`id`', '"; touch x; "', '${jndi:ldap://x}', '%{ for x in y }', '$${x}', '!!', '~', '=ls', '*', 'a\\', '\\\'', 'a\nb', '\tx', '\u001b[201~\rls\r', 'x\u202ey', 'a\u2028b', '{{7*7}}', 'true', '日本 語', '👩‍💻', '# c', '- x', ': y', '', ' ',
]

describe('shell', () => {
  test.each(['10.0.0.0/16', 'ipam-pool-1', 'Key=Name,Value=x', 'a@b.c'])('%s needs no quotes', text => expect(shell(text)).toBe(text))
  test('hidden characters are escapes', () => {
    expect(shell('a\nb')).toBe(`$'a\\nb'`)
    expect(shell('\u001b[201~')).toBe(`$'\\x1b[201~'`)
    expect(shell('x\u202ey')).toBe(`$'x\\u202ey'`)
    expect(shell(`it's`)).toBe(`'it'\\''s'`)
  })
  test.skipIf(!existsSync('/bin/bash'))('bash reads each text as it is', () => {
    const script = hostile.map(text => `printf '%s\\0' ${shell(text)}`).join('\n')
    const read = execFileSync('/bin/bash', ['--norc', '-c', script], { env: { LC_ALL: 'C.UTF-8', PATH: '/usr/bin:/bin' } }).toString()
    expect(read.split('\0').slice(0, -1)).toEqual(hostile)
  })
})

test('the CLI reads no file and takes no value for an option', () => {
  const plan = (Description: string) => [step('a', 'AllocateIpamPoolCidr', { IpamPoolId: pool, NetmaskLength: 24, Description })]
  for (const text of ['file:///etc/passwd', 'fileb://x', 'https://example.com', '-x', '--profile']) {
    expect(awsCLI(plan(text))).toBe(`aws cadastre allocate-ipam-pool-cidr \\\n    --cli-input-json '{"IpamPoolId":"${pool}","NetmaskLength":24,"Description":"${text}"}'`)
  }
  expect(awsCLI(plan('a file://x'))).toContain(`--description 'a file://x'`)
})

describe('texts stay texts', () => {
  test.each(hostile.map(text => [JSON.stringify(text), text]))('%s', (_, text) => {
    // The quoted texts of Terraform and YAML are JSON, apart from Terraform's templates.
    expect(hcl(text)).not.toMatch(/[$%]\{/)
    expect(JSON.parse(hcl(text))).toBe(text)
    const scalar = yaml(text)
    expect(scalar.startsWith('"') ? JSON.parse(scalar) as string : scalar).toBe(text)
    if (!scalar.startsWith('"')) expect(text).toMatch(/^[A-Za-z][A-Za-z0-9_./-]*$/)
    const plan = [step('a', 'AllocateIpamPoolCidr', { IpamPoolId: pool, NetmaskLength: 24, Description: text, TagSpecifications: [{ ResourceType: 'ipam-pool-allocation', Tags: [{ Key: text, Value: text }] }] })]
    expect((JSON.parse(json(plan)) as { input: { Description: string } }).input.Description).toBe(text)
    for (const form of ['cli', 'terraform', 'cloudformation', 'json'] as Form[]) expect(written(form, plan, words)?.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  })
  test('an id with a line end ends no comment', () => {
    const plan = [step('a', 'DeleteIpamPool', { IpamPoolId: `${pool}\nevil: true` })]
    expect(written('terraform', plan, words)?.split('\n')).toHaveLength(1)
    expect(written('cloudformation', plan, words)?.split('\n')).toHaveLength(1)
  })
  test('a template has no dynamic reference of others', () => {
    expect(written('cloudformation', [step('a', 'CreateIpamScope', { IpamId: 'ipam-1', Description: '{{resolve:ssm:secret}}' })], words)).toBeUndefined()
  })
})

const name = [{ ResourceType: 'ipam-pool' as const, Tags: [{ Key: 'Name', Value: 'osaka' }] }]
const cases: [Operation, Plan, Record<Form, string | undefined>][] = [
  ['CreateIpam', [step('ipam', 'CreateIpam', { Description: 'All', OperatingRegions: [{ RegionName: 'ap-northeast-1' }, { RegionName: 'us-east-1' }] })], {
    cli: 'aws cadastre create-ipam \\\n    --description All \\\n    --operating-regions RegionName=ap-northeast-1 RegionName=us-east-1',
    terraform: 'resource "aws_vpc_ipam" "ipam" {\n  description = "All"\n  operating_regions {\n    region_name = "ap-northeast-1"\n  }\n  operating_regions {\n    region_name = "us-east-1"\n  }\n}',
    cloudformation: 'Parameters:\n  ServiceToken: {Type: String}\nResources:\n  Ipam:\n    Type: Custom::Ipam\n    Properties:\n      ServiceToken: !Ref ServiceToken\n      Description: All\n      OperatingRegions:\n        - {RegionName: ap-northeast-1}\n        - {RegionName: us-east-1}',
    json: '{\n  "operation": "CreateIpam",\n  "input": {\n    "Description": "All",\n    "OperatingRegions": [\n      {\n        "RegionName": "ap-northeast-1"\n      },\n      {\n        "RegionName": "us-east-1"\n      }\n    ]\n  }\n}',
  }],
  ['CreateIpamPool', [step('pool', 'CreateIpamPool', { IpamScopeId: 'ipam-scope-1', AddressFamily: 'ipv4', AutoImport: true, AllocationMinNetmaskLength: 20, AllocationResourceTags: [{ Key: 'env', Value: 'it\'s' }], TagSpecifications: name })], {
    cli: `aws cadastre create-ipam-pool \\\n    --ipam-scope-id ipam-scope-1 \\\n    --address-family ipv4 \\\n    --auto-import \\\n    --allocation-min-netmask-length 20 \\\n    --allocation-resource-tags '[{"Key":"env","Value":"it'\\''s"}]' \\\n    --tag-specifications 'ResourceType=ipam-pool,Tags=[{Key=Name,Value=osaka}]'`,
    terraform: 'resource "aws_vpc_ipam_pool" "pool" {\n  ipam_scope_id = "ipam-scope-1"\n  address_family = "ipv4"\n  auto_import = true\n  allocation_min_netmask_length = 20\n  allocation_resource_tags = {\n    "env" = "it\'s"\n  }\n  tags = {\n    "Name" = "osaka"\n  }\n}',
    cloudformation: 'Parameters:\n  ServiceToken: {Type: String}\nResources:\n  Pool:\n    Type: Custom::IpamPool\n    Properties:\n      ServiceToken: !Ref ServiceToken\n      IpamScopeId: ipam-scope-1\n      AddressFamily: ipv4\n      AutoImport: true\n      AllocationMinNetmaskLength: 20\n      AllocationResourceTags:\n        - {Key: env, Value: "it\'s"}\n      Tags:\n        - {Key: Name, Value: osaka}',
    json: '{"operation":"CreateIpamPool","input":{"IpamScopeId":"ipam-scope-1","AddressFamily":"ipv4","AutoImport":true,"AllocationMinNetmaskLength":20,"AllocationResourceTags":[{"Key":"env","Value":"it\'s"}],"TagSpecifications":[{"ResourceType":"ipam-pool","Tags":[{"Key":"Name","Value":"osaka"}]}]}}',
  }],
  ['CreateIpamScope', [step('scope', 'CreateIpamScope', { IpamId: 'ipam-1', Description: 'Partner' })], {
    cli: 'aws cadastre create-ipam-scope \\\n    --ipam-id ipam-1 \\\n    --description Partner', terraform: 'resource "aws_vpc_ipam_scope" "scope" {\n  ipam_id = "ipam-1"\n  description = "Partner"\n}',
    cloudformation: 'Parameters:\n  ServiceToken: {Type: String}\nResources:\n  Scope:\n    Type: Custom::IpamScope\n    Properties:\n      ServiceToken: !Ref ServiceToken\n      IpamId: ipam-1\n      Description: Partner', json: '{"operation":"CreateIpamScope","input":{"IpamId":"ipam-1","Description":"Partner"}}',
  }],
  ['ProvisionIpamPoolCidr', [step('cidr', 'ProvisionIpamPoolCidr', { IpamPoolId: pool, Cidr: '10.0.0.0/8' })], {
    cli: `aws cadastre provision-ipam-pool-cidr \\\n    --ipam-pool-id ${pool} \\\n    --cidr 10.0.0.0/8`, terraform: `resource "aws_vpc_ipam_pool_cidr" "cidr" {\n  ipam_pool_id = "${pool}"\n  cidr = "10.0.0.0/8"\n}`,
    cloudformation: `Parameters:\n  ServiceToken: {Type: String}\nResources:\n  Cidr:\n    Type: Custom::IpamPoolCidr\n    Properties:\n      ServiceToken: !Ref ServiceToken\n      IpamPoolId: ${pool}\n      Cidr: "10.0.0.0/8"`, json: `{"operation":"ProvisionIpamPoolCidr","input":{"IpamPoolId":"${pool}","Cidr":"10.0.0.0/8"}}`,
  }],
  ['AllocateIpamPoolCidr', [step('a', 'AllocateIpamPoolCidr', { IpamPoolId: pool, NetmaskLength: 24, TagSpecifications: [{ ResourceType: 'ipam-pool-allocation', Tags: [{ Key: 'team', Value: 'net' }] }] })], {
    cli: `aws cadastre allocate-ipam-pool-cidr \\\n    --ipam-pool-id ${pool} \\\n    --netmask-length 24 \\\n    --tag-specifications 'ResourceType=ipam-pool-allocation,Tags=[{Key=team,Value=net}]'`,
    terraform: `resource "aws_vpc_ipam_pool_cidr_allocation" "a" {\n  ipam_pool_id = "${pool}"\n  netmask_length = 24\n}\n\nresource "aws_ec2_tag" "a_1" {\n  resource_id = aws_vpc_ipam_pool_cidr_allocation.a.ipam_pool_allocation_id\n  key = "team"\n  value = "net"\n}`,
    cloudformation: `Parameters:\n  ServiceToken: {Type: String}\nResources:\n  A:\n    Type: Custom::IpamAllocation\n    Properties:\n      ServiceToken: !Ref ServiceToken\n      IpamPoolId: ${pool}\n      NetmaskLength: 24\n      # An allocation of a template has no tags of its own.`,
    json: `{"operation":"AllocateIpamPoolCidr","input":{"IpamPoolId":"${pool}","NetmaskLength":24,"TagSpecifications":[{"ResourceType":"ipam-pool-allocation","Tags":[{"Key":"team","Value":"net"}]}]}}`,
  }],
  ['ModifyIpamPool', [step('pool', 'ModifyIpamPool', { IpamPoolId: pool, Description: '', AutoImport: false, ClearAllocationDefaultNetmaskLength: true, RemoveAllocationResourceTags: [{ Key: 'a', Value: 'b' }] })], {
    cli: `aws cadastre modify-ipam-pool \\\n    --ipam-pool-id ${pool} \\\n    --description '' \\\n    --no-auto-import \\\n    --clear-allocation-default-netmask-length \\\n    --remove-allocation-resource-tags Key=a,Value=b`,
    terraform: `# Change these in the aws_vpc_ipam_pool with the id ${pool}:\n# Remove from AllocationResourceTags: a=b\n# Remove AllocationDefaultNetmaskLength\ndescription = ""\nauto_import = false`,
    cloudformation: `# Change these in the Custom::IpamPool with the id ${pool}:\n# Remove from AllocationResourceTags: a=b\n# Remove AllocationDefaultNetmaskLength\nDescription: ""\nAutoImport: false`,
    json: `{"operation":"ModifyIpamPool","input":{"IpamPoolId":"${pool}","Description":"","AutoImport":false,"ClearAllocationDefaultNetmaskLength":true,"RemoveAllocationResourceTags":[{"Key":"a","Value":"b"}]}}`,
  }],
  ['ModifyIpam', [step('ipam', 'ModifyIpam', { IpamId: 'ipam-1', AddOperatingRegions: [{ RegionName: 'eu-west-1' }], RemoveOperatingRegions: [{ RegionName: 'us-east-1' }] })], {
    cli: 'aws cadastre modify-ipam \\\n    --ipam-id ipam-1 \\\n    --add-operating-regions RegionName=eu-west-1 \\\n    --remove-operating-regions RegionName=us-east-1',
    terraform: '# Change these in the aws_vpc_ipam with the id ipam-1:\n# Add to OperatingRegions:\n# Remove from OperatingRegions: us-east-1\noperating_regions {\n  region_name = "eu-west-1"\n}',
    cloudformation: '# Change these in the Custom::Ipam with the id ipam-1:\n# Add to OperatingRegions:\n# Remove from OperatingRegions: us-east-1\nOperatingRegions:\n  - {RegionName: eu-west-1}',
    json: '{"operation":"ModifyIpam","input":{"IpamId":"ipam-1","AddOperatingRegions":[{"RegionName":"eu-west-1"}],"RemoveOperatingRegions":[{"RegionName":"us-east-1"}]}}',
  }],
  ['ModifyIpamScope', [step('scope', 'ModifyIpamScope', { IpamScopeId: 'ipam-scope-1', Description: 'x' })], {
    cli: 'aws cadastre modify-ipam-scope \\\n    --ipam-scope-id ipam-scope-1 \\\n    --description x', terraform: '# Change these in the aws_vpc_ipam_scope with the id ipam-scope-1:\ndescription = "x"', cloudformation: '# Change these in the Custom::IpamScope with the id ipam-scope-1:\nDescription: x', json: '{"operation":"ModifyIpamScope","input":{"IpamScopeId":"ipam-scope-1","Description":"x"}}',
  }],
  ['ReleaseIpamPoolAllocation', [step('release', 'ReleaseIpamPoolAllocation', { IpamPoolId: pool, Cidr: '10.0.0.0/24', IpamPoolAllocationId: alloc })], {
    cli: `aws cadastre release-ipam-pool-allocation \\\n    --ipam-pool-id ${pool} \\\n    --cidr 10.0.0.0/24 \\\n    --ipam-pool-allocation-id ${alloc}`, terraform: `# Remove the aws_vpc_ipam_pool_cidr_allocation with the id ${alloc}_${pool}, and apply.`,
    cloudformation: `# Remove the Custom::IpamAllocation with the id ${alloc}_${pool}, and apply.`, json: `{"operation":"ReleaseIpamPoolAllocation","input":{"IpamPoolId":"${pool}","Cidr":"10.0.0.0/24","IpamPoolAllocationId":"${alloc}"}}`,
  }],
  ['DeprovisionIpamPoolCidr', [step('cidr', 'DeprovisionIpamPoolCidr', { IpamPoolId: pool, Cidr: '10.0.0.0/24' })], {
    cli: `aws cadastre deprovision-ipam-pool-cidr \\\n    --ipam-pool-id ${pool} \\\n    --cidr 10.0.0.0/24`, terraform: `# Remove the aws_vpc_ipam_pool_cidr with the id 10.0.0.0/24_${pool}, and apply.`, cloudformation: `# Remove the Custom::IpamPoolCidr with the id 10.0.0.0/24_${pool}, and apply.`, json: `{"operation":"DeprovisionIpamPoolCidr","input":{"IpamPoolId":"${pool}","Cidr":"10.0.0.0/24"}}`,
  }],
  ['DeleteIpamPool', [step('pool', 'DeleteIpamPool', { IpamPoolId: pool, Cascade: true })], {
    cli: `aws cadastre delete-ipam-pool \\\n    --ipam-pool-id ${pool} \\\n    --cascade`, terraform: `# Remove the aws_vpc_ipam_pool with the id ${pool}, and apply.`, cloudformation: `# Remove the Custom::IpamPool with the id ${pool}, and apply.`, json: `{"operation":"DeleteIpamPool","input":{"IpamPoolId":"${pool}","Cascade":true}}`,
  }],
  ['CreateTags', [step('set', 'CreateTags', { Resources: [pool], Tags: [{ Key: 'a', Value: 'b' }] })], {
    cli: `aws cadastre create-tags \\\n    --resources ${pool} \\\n    --tags Key=a,Value=b`, terraform: `resource "aws_ec2_tag" "set_1" {\n  resource_id = "${pool}"\n  key = "a"\n  value = "b"\n}`, cloudformation: undefined, json: `{"operation":"CreateTags","input":{"Resources":["${pool}"],"Tags":[{"Key":"a","Value":"b"}]}}`,
  }],
  ['DeleteTags', [step('remove', 'DeleteTags', { Resources: [pool], Tags: [{ Key: 'a', Value: 'b' }] })], {
    cli: `aws cadastre delete-tags \\\n    --resources ${pool} \\\n    --tags Key=a,Value=b`, terraform: `# Remove the aws_ec2_tag with the id ${pool},a, and apply.`, cloudformation: undefined, json: `{"operation":"DeleteTags","input":{"Resources":["${pool}"],"Tags":[{"Key":"a","Value":"b"}]}}`,
  }],
  ['PutIpamPoolShare', [step('share', 'PutIpamPoolShare', { IpamPoolId: pool, Principal: '444455556666' })], {
    cli: `aws cadastre put-ipam-pool-share \\\n    --ipam-pool-id ${pool} \\\n    --principal 444455556666`, terraform: undefined, cloudformation: undefined, json: `{"operation":"PutIpamPoolShare","input":{"IpamPoolId":"${pool}","Principal":"444455556666"}}`,
  }],
  ['DeleteIpamPoolShare', [step('share', 'DeleteIpamPoolShare', { IpamPoolId: pool, Principal: 'o-a1b2c3d4e5' })], {
    cli: `aws cadastre delete-ipam-pool-share \\\n    --ipam-pool-id ${pool} \\\n    --principal o-a1b2c3d4e5`, terraform: undefined, cloudformation: undefined, json: `{"operation":"DeleteIpamPoolShare","input":{"IpamPoolId":"${pool}","Principal":"o-a1b2c3d4e5"}}`,
  }],
  ['ModifyIpamResourceCidr', [step('resource', 'ModifyIpamResourceCidr', { ResourceId: 'vpc-1', ResourceCidr: '10.0.0.0/16', ResourceRegion: 'us-east-1', CurrentIpamScopeId: 'ipam-scope-1', Monitored: false })], {
    cli: 'aws cadastre modify-ipam-resource-cidr \\\n    --resource-id vpc-1 \\\n    --resource-cidr 10.0.0.0/16 \\\n    --resource-region us-east-1 \\\n    --current-ipam-scope-id ipam-scope-1 \\\n    --no-monitored', terraform: undefined, cloudformation: undefined,
    json: '{"operation":"ModifyIpamResourceCidr","input":{"ResourceId":"vpc-1","ResourceCidr":"10.0.0.0/16","ResourceRegion":"us-east-1","CurrentIpamScopeId":"ipam-scope-1","Monitored":false}}',
  }],
  ['ModifyIpamPoolAllocation', [step('allocation', 'ModifyIpamPoolAllocation', { IpamPoolAllocationId: alloc, Description: 'x' })], {
    cli: `aws cadastre modify-ipam-pool-allocation \\\n    --ipam-pool-allocation-id ${alloc} \\\n    --description x`, terraform: undefined, cloudformation: undefined, json: `{"operation":"ModifyIpamPoolAllocation","input":{"IpamPoolAllocationId":"${alloc}","Description":"x"}}`,
  }],
  ['DeleteIpam', [step('ipam', 'DeleteIpam', { IpamId: 'ipam-1' })], { cli: 'aws cadastre delete-ipam \\\n    --ipam-id ipam-1', terraform: '# Remove the aws_vpc_ipam with the id ipam-1, and apply.', cloudformation: '# Remove the Custom::Ipam with the id ipam-1, and apply.', json: '{"operation":"DeleteIpam","input":{"IpamId":"ipam-1"}}' }],
  ['DeleteIpamScope', [step('scope', 'DeleteIpamScope', { IpamScopeId: 'ipam-scope-1' })], { cli: 'aws cadastre delete-ipam-scope \\\n    --ipam-scope-id ipam-scope-1', terraform: '# Remove the aws_vpc_ipam_scope with the id ipam-scope-1, and apply.', cloudformation: '# Remove the Custom::IpamScope with the id ipam-scope-1, and apply.', json: '{"operation":"DeleteIpamScope","input":{"IpamScopeId":"ipam-scope-1"}}' }],
]

describe.each(cases)('%s', (_, plan, forms) => {
  test.each(Object.entries(forms) as [Form, string | undefined][])('%s', (form, want) => {
    const got = written(form, plan, words)
    if (form === 'json') expect(JSON.parse(got ?? '')).toEqual(JSON.parse(want ?? ''))
    else expect(got).toBe(want)
  })
})

test('each operation of the forms has a case', () => {
  expect(cases.map(c => c[0]).sort()).toEqual(Object.keys(acting.en.steps).sort())
})

test('the steps of a plan refer to one another in each form', () => {
  const plan = wizardPlan({
    scope: undefined, ipam: { name: 'corp', description: '', regions: ['ap-northeast-1'] }, family: 'ipv4', top: { name: 'top', cidr: '10.0.0.0/8' },
    regions: [{ region: 'ap-northeast-1', name: 'tokyo', length: 12 }], rules: { min: 16, max: 28, standard: 24, tags: [], autoImport: false },
  })
  const cli = written('cli', plan, words) ?? ''
  expect(cli).toMatch(/^IPAM=\$\(aws cadastre create-ipam [^]*--query Ipam\.PrivateDefaultScopeId --output text\)\nTOP=\$\(aws cadastre create-ipam-pool \\\n {4}--ipam-scope-id "\$IPAM"/)
  expect(cli).toMatch(/POOL_AP_NORTHEAST_1=\$\([^)]*--source-ipam-pool-id "\$TOP"/)
  expect(cli.split('\n').at(-3)).toBe('aws cadastre provision-ipam-pool-cidr \\')
  const terraform = written('terraform', plan, words) ?? ''
  expect(terraform).toContain('ipam_scope_id = aws_vpc_ipam.ipam.private_default_scope_id')
  expect(terraform).toContain('source_ipam_pool_id = aws_vpc_ipam_pool.top.id')
  expect(terraform).toContain('  netmask_length = 12\n  depends_on = [aws_vpc_ipam_pool_cidr.top_cidr]')
  const template = written('cloudformation', plan, words) ?? ''
  expect(template).toContain('IpamScopeId: !GetAtt Ipam.PrivateDefaultScopeId')
  expect(template).toContain('  PoolApNortheast1Cidr:\n    Type: Custom::IpamPoolCidr\n    DependsOn: [TopCidr]\n    Properties:\n      ServiceToken: !Ref ServiceToken\n      IpamPoolId: !Ref PoolApNortheast1\n      NetmaskLength: 12')
  expect((JSON.parse(written('json', plan, words) ?? '') as { input: { IpamScopeId?: string } }[])[1]?.input.IpamScopeId).toBe('${ipam.Ipam.PrivateDefaultScopeId}')
})
