// The calls of a plan as AWS CLI, Terraform, CloudFormation and JSON, to copy. All texts may be
// hostile: each writer quotes them so that they stay texts.
import { Ref, type Plan, type Step } from './plan'

export type Form = 'cli' | 'terraform' | 'cloudformation' | 'json'

// Words are the comments in the viewer's language.
export interface Words {
  change: (kind: string, id: string) => string
  remove: (kind: string, id: string) => string
  removeFrom: (member: string, value: string) => string
  addTo: (member: string) => string
  noTags: string
  unset: (member: string) => string
}

// written returns a plan in a form, and undefined if the form has no way to say it.
export function written(form: Form, plan: Plan, words: Words): string | undefined {
  switch (form) {
    case 'cli': return awsCLI(plan)
    case 'terraform': return terraform(plan, words)
    case 'cloudformation': return cloudFormation(plan, words)
    case 'json': return json(plan)
  }
}

type Values = Readonly<Record<string, unknown>>
interface Tag { Key?: string; Value?: string }

// hidden are control characters and characters that change how a text is shown or where its line ends.
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

function unicode(c: string): string {
  return Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
}

// comment makes a text fit for one line of comment.
function comment(text: string): string {
  return `# ${text.replace(hidden, '?')}`
}

function names(step: Step): string[] {
  return step.id.toLowerCase().split(/[^a-z0-9]+/).filter(part => part !== '')
}

// --- JSON ---

// json returns the form of direct invocation: operation and input. A Ref is shown as ${step.path}.
export function json(plan: Plan): string {
  const steps = plan.map(s => ({ operation: s.operation, input: withRefs(s.input) }))
  return literal(steps.length === 1 ? steps[0] : steps, 2)
}

function withRefs(value: unknown): unknown {
  if (value instanceof Ref) return `\${${value.step}.${value.path}}`
  if (Array.isArray(value)) return value.map(withRefs)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withRefs(v)]))
  return value
}

// literal is JSON without hidden characters. Outside of texts JSON has only line ends of these.
function literal(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(hidden, c => (c === '\n' ? c : unicode(c)))
}

// --- AWS CLI ---

// shell quotes a text for bash and zsh.
export function shell(text: string): string {
  if (/^[A-Za-z0-9_/.:][A-Za-z0-9_/.:@+=,-]*$/.test(text)) return text
  if (text.search(hidden) < 0) return `'${text.replaceAll("'", "'\\''")}'`
  const escaped = text.replace(/[\\']/g, c => `\\${c}`).replace(hidden, c => {
    if (c === '\n') return '\\n'
    if (c === '\t') return '\\t'
    const code = c.codePointAt(0) ?? 0
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : code < 0x10000 ? unicode(c) : `\\U${code.toString(16).padStart(8, '0')}`
  })
  return `$'${escaped}'`
}

function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
}

function variable(step: string): string {
  return step.toUpperCase().replace(/[^A-Z0-9]+/g, '_')
}

// awsCLI returns commands of `aws cadastre`, the AWS CLI with the model of Cadastre.
export function awsCLI(plan: Plan): string {
  return plan.map(s => {
    const command = ['aws cadastre ' + kebab(s.operation), ...options(s)]
    const asked = plan.flatMap(other => refsOf(other.input)).find(ref => ref.step === s.id)
    if (asked) command.push(`--query ${shell(asked.path)} --output text`)
    const text = command.join(' \\\n    ')
    return asked ? `${variable(s.id)}=$(${text})` : text
  }).join('\n')
}

function refsOf(value: unknown): Ref[] {
  if (value instanceof Ref) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(refsOf) : []
}

function options(step: Step): string[] {
  const refs = Object.entries(step.input).filter((e): e is [string, Ref] => e[1] instanceof Ref)
  const values = Object.fromEntries(Object.entries(step.input).filter(([, v]) => !(v instanceof Ref)))
  const given = refs.map(([name, ref]) => `--${kebab(name)} "$${variable(ref.step)}"`)
  // The CLI reads file://… as the name of a file, and a value with a dash as an option.
  const texts = Object.values(values).flatMap((v): unknown[] => (Array.isArray(v) ? v : [v])).filter(v => typeof v === 'string')
  if (texts.some(t => /^(-|fileb?:\/\/|https?:\/\/)/i.test(t))) return [...given, `--cli-input-json ${shell(literal(values))}`]
  return [...given, ...Object.entries(values).map(([name, value]) => option(name, value))]
}

function option(name: string, value: unknown): string {
  const flag = `--${kebab(name)}`
  if (value === true) return flag
  if (value === false) return `--no-${kebab(name)}`
  if (typeof value === 'number') return `${flag} ${value}`
  if (typeof value === 'string') return `${flag} ${shell(value)}`
  if (Array.isArray(value) && value.every(v => typeof v === 'string')) return `${flag} ${value.map(shell).join(' ')}`
  const short = Array.isArray(value) ? value.map(v => shorthand(v)) : [shorthand(value)]
  return `${flag} ${short.every(s => s !== undefined) ? short.map(shell).join(' ') : shell(literal(value))}`
}

// shorthand is the CLI's short form of a structure, and undefined if a value needs JSON.
function shorthand(value: unknown, nested = false): string | undefined {
  if (typeof value === 'string') return /^[A-Za-z0-9_/.:@+-]+$/.test(value) ? value : undefined
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'object' || value === null) return undefined
  const all = Object.entries(value).map(([k, v]) => (Array.isArray(value) ? shorthand(v, true) : pair(k, v)))
  if (all.some(s => s === undefined)) return undefined
  return Array.isArray(value) ? `[${all.join(',')}]` : nested ? `{${all.join(',')}}` : all.join(',')
}

function pair(key: string, value: unknown): string | undefined {
  const short = shorthand(value, true)
  return short === undefined ? undefined : `${key}=${short}`
}

// --- Terraform ---

// hcl quotes a text for Terraform. Templates in it stay texts.
export function hcl(text: string): string {
  const escaped = text.replace(/[\\"]/g, c => `\\${c}`).replace(/[$%](?=\{)/g, unicode).replace(hidden, c => (c === '\n' ? '\\n' : c === '\t' ? '\\t' : unicode(c)))
  return `"${escaped}"`
}

const terraformTypes: Partial<Record<Step['operation'], string>> = {
  CreateIpam: 'aws_vpc_ipam', CreateIpamScope: 'aws_vpc_ipam_scope', CreateIpamPool: 'aws_vpc_ipam_pool', ProvisionIpamPoolCidr: 'aws_vpc_ipam_pool_cidr', AllocateIpamPoolCidr: 'aws_vpc_ipam_pool_cidr_allocation',
  ModifyIpam: 'aws_vpc_ipam', ModifyIpamScope: 'aws_vpc_ipam_scope', ModifyIpamPool: 'aws_vpc_ipam_pool',
  DeleteIpam: 'aws_vpc_ipam', DeleteIpamScope: 'aws_vpc_ipam_scope', DeleteIpamPool: 'aws_vpc_ipam_pool', DeprovisionIpamPoolCidr: 'aws_vpc_ipam_pool_cidr', ReleaseIpamPoolAllocation: 'aws_vpc_ipam_pool_cidr_allocation',
  CreateTags: 'aws_ec2_tag', DeleteTags: 'aws_ec2_tag',
}

// terraformIds are Terraform's names of the ids that a step may refer to.
const terraformIds: Record<string, string> = { 'Ipam.IpamId': 'id', 'Ipam.PrivateDefaultScopeId': 'private_default_scope_id', 'IpamScope.IpamScopeId': 'id', 'IpamPool.IpamPoolId': 'id' }

function snake(name: string): string {
  return kebab(name).replaceAll('-', '_')
}

function label(step: Step): string {
  const name = names(step).join('_')
  return /^[a-z]/.test(name) ? name : `r_${name}`
}

export function terraform(plan: Plan, words: Words): string | undefined {
  const blocks: string[] = []
  for (const step of plan) {
    const type = terraformTypes[step.operation]
    if (type === undefined) return undefined
    const value = (v: unknown): string => {
      if (v instanceof Ref) {
        const of = plan.find(s => s.id === v.step)
        return of ? `${terraformTypes[of.operation] ?? ''}.${label(of)}.${terraformIds[v.path] ?? ''}` : hcl('')
      }
      return typeof v === 'string' ? hcl(v) : String(v)
    }
    blocks.push(terraformStep(step, plan, type, value, words))
  }
  return blocks.join('\n\n')
}

function terraformStep(step: Step, plan: Plan, type: string, value: (v: unknown) => string, words: Words): string {
  const { operation: o, input } = step
  if (o === 'CreateTags') return tagsOf(input).map((tag, i) => block(type, `${label(step)}_${i + 1}`, [`resource_id = ${value(resource(input))}`, `key = ${hcl(tag.Key ?? '')}`, `value = ${hcl(tag.Value ?? '')}`])).join('\n\n')
  if (o === 'DeleteTags') return tagsOf(input).map(tag => comment(words.remove(type, `${resource(input)},${tag.Key ?? ''}`))).join('\n')
  if (o.startsWith('Delete') || o.startsWith('Deprovision') || o.startsWith('Release')) return comment(words.remove(type, removedId(input)))
  if (o.startsWith('Modify')) return [comment(words.change(type, removedId(input))), ...changes(input, terraformArguments(input, value), words)].join('\n')
  const lines = terraformArguments(input, value)
  const after = (step.after ?? []).flatMap(id => plan.filter(s => s.id === id)).map(s => `${terraformTypes[s.operation] ?? ''}.${label(s)}`)
  if (after.length > 0) lines.push(`depends_on = [${after.join(', ')}]`)
  const made = block(type, label(step), lines)
  if (o !== 'AllocateIpamPoolCidr') return made
  // The provider's allocation has no tags.
  const tags = specified(input).map((tag, i) => block('aws_ec2_tag', `${label(step)}_${i + 1}`, [`resource_id = ${type}.${label(step)}.ipam_pool_allocation_id`, `key = ${hcl(tag.Key ?? '')}`, `value = ${hcl(tag.Value ?? '')}`]))
  return [made, ...tags].join('\n\n')
}

function terraformArguments(input: Values, value: (v: unknown) => string): string[] {
  const lines: string[] = []
  const map = (name: string, tags: readonly Tag[]) => [`${name} = {`, ...tags.map(t => `  ${hcl(t.Key ?? '')} = ${hcl(t.Value ?? '')}`), '}']
  for (const [name, v] of Object.entries(input)) {
    switch (name) {
      case 'OperatingRegions': case 'AddOperatingRegions':
        lines.push(...(v as { RegionName: string }[]).flatMap(r => ['operating_regions {', `  region_name = ${hcl(r.RegionName)}`, '}']))
        break
      case 'AllocationResourceTags': case 'AddAllocationResourceTags':
        lines.push(...map('allocation_resource_tags', v as Tag[]))
        break
      case 'TagSpecifications':
        if (!('IpamPoolId' in input)) lines.push(...map('tags', specified(input)))
        break
      default:
        if (!changed.has(name)) lines.push(`${snake(name)} = ${value(v)}`)
    }
  }
  return lines
}

function block(type: string, name: string, lines: readonly string[]): string {
  return `resource "${type}" "${name}" {\n${lines.map(l => `  ${l}`).join('\n')}\n}`
}

function tagsOf(input: Values): Tag[] {
  return (input['Tags'] ?? []) as Tag[]
}

function resource(input: Values): string {
  return (input['Resources'] as string[] | undefined)?.[0] ?? ''
}

// specified returns the tags of a creation.
function specified(input: Values): Tag[] {
  return ((input['TagSpecifications'] ?? []) as { Tags?: Tag[] }[]).flatMap(s => s.Tags ?? [])
}

// removedId is the id that Terraform imports an object by.
function removedId(input: Values): string {
  const { IpamPoolId: pool, IpamPoolAllocationId: allocation, Cidr: cidr, IpamScopeId: scope, IpamId: ipam } = input as Partial<Record<string, string>>
  if (allocation !== undefined) return `${allocation}_${pool ?? ''}`
  if (cidr !== undefined) return `${cidr}_${pool ?? ''}`
  return pool ?? scope ?? ipam ?? ''
}

// changed are members of a modification that are no property of the object.
const changed = new Set(['RemoveOperatingRegions', 'RemoveAllocationResourceTags', 'ClearAllocationDefaultNetmaskLength'])

// changes returns the properties that a modification sets, and its removals as comments.
function changes(input: Values, lines: readonly string[], words: Words): string[] {
  const id = /^(ipam_id|ipam_scope_id|ipam_pool_id) = |^(IpamId|IpamScopeId|IpamPoolId): /
  const said: string[] = []
  for (const name of ['AddOperatingRegions', 'AddAllocationResourceTags']) if (name in input) said.push(comment(words.addTo(name.slice(3))))
  for (const r of (input['RemoveOperatingRegions'] ?? []) as { RegionName: string }[]) said.push(comment(words.removeFrom('OperatingRegions', r.RegionName)))
  for (const t of (input['RemoveAllocationResourceTags'] ?? []) as Tag[]) said.push(comment(words.removeFrom('AllocationResourceTags', `${t.Key ?? ''}=${t.Value ?? ''}`)))
  if (input['ClearAllocationDefaultNetmaskLength'] === true) said.push(comment(words.unset('AllocationDefaultNetmaskLength')))
  return [...said, ...lines.filter(l => !id.test(l))]
}

// --- CloudFormation ---

const customTypes: Partial<Record<Step['operation'], string>> = {
  CreateIpam: 'Custom::Ipam', CreateIpamScope: 'Custom::IpamScope', CreateIpamPool: 'Custom::IpamPool', ProvisionIpamPoolCidr: 'Custom::IpamPoolCidr', AllocateIpamPoolCidr: 'Custom::IpamAllocation',
  ModifyIpam: 'Custom::Ipam', ModifyIpamScope: 'Custom::IpamScope', ModifyIpamPool: 'Custom::IpamPool',
  DeleteIpam: 'Custom::Ipam', DeleteIpamScope: 'Custom::IpamScope', DeleteIpamPool: 'Custom::IpamPool', DeprovisionIpamPoolCidr: 'Custom::IpamPoolCidr', ReleaseIpamPoolAllocation: 'Custom::IpamAllocation',
}

// yaml quotes a text for a template.
export function yaml(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_./-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text) ? text : literal(text)
}

function logicalId(step: Step): string {
  return names(step).map(part => part.charAt(0).toUpperCase() + part.slice(1)).join('')
}

export function cloudFormation(plan: Plan, words: Words): string | undefined {
  const resources: string[] = []
  const comments: string[] = []
  for (const step of plan) {
    const { operation: o, input } = step
    const type = customTypes[o]
    // CloudFormation would put the value in place of such a text.
    if (type === undefined || literal(withRefs(input)).includes('{{resolve:')) return undefined
    const lines = properties(step, plan)
    if (o.startsWith('Modify')) comments.push(comment(words.change(type, removedId(input))), ...changes(input, lines, words))
    else if (o.startsWith('Create') || o === 'ProvisionIpamPoolCidr' || o === 'AllocateIpamPoolCidr') resources.push(...customResource(step, plan, type, lines, words))
    else comments.push(comment(words.remove(type, removedId(input))))
  }
  return [...comments, ...(resources.length > 0 ? ['Parameters:', '  ServiceToken: {Type: String}', 'Resources:', ...resources.map(l => `  ${l}`)] : [])].join('\n')
}

function customResource(step: Step, plan: Plan, type: string, lines: readonly string[], words: Words): string[] {
  const after = (step.after ?? []).flatMap(id => plan.filter(s => s.id === id)).map(logicalId)
  return [
    `${logicalId(step)}:`,
    `  Type: ${type}`,
    ...(after.length > 0 ? [`  DependsOn: [${after.join(', ')}]`] : []),
    '  Properties:',
    '    ServiceToken: !Ref ServiceToken',
    ...lines.map(l => `    ${l}`),
    ...(step.operation === 'AllocateIpamPoolCidr' && specified(step.input).length > 0 ? [`    ${comment(words.noTags)}`] : []),
  ]
}

function properties(step: Step, plan: Plan): string[] {
  const scalar = (v: unknown): string => {
    if (!(v instanceof Ref)) return typeof v === 'string' ? yaml(v) : String(v)
    const of = plan.find(s => s.id === v.step)
    const id = of ? logicalId(of) : ''
    return v.path === 'Ipam.PrivateDefaultScopeId' ? `!GetAtt ${id}.PrivateDefaultScopeId` : `!Ref ${id}`
  }
  const list = (name: string, items: readonly Values[]) => [`${name}:`, ...items.map(item => `  - {${Object.entries(item).map(([k, v]) => `${k}: ${scalar(v)}`).join(', ')}}`)]
  return Object.entries(step.input).flatMap(([name, v]): string[] => {
    if (changed.has(name)) return []
    if (name === 'TagSpecifications') return step.operation === 'AllocateIpamPoolCidr' ? [] : list('Tags', specified(step.input) as Values[])
    if (name === 'AddOperatingRegions' || name === 'AddAllocationResourceTags') return list(name.slice(3), v as Values[])
    return Array.isArray(v) ? list(name, v as Values[]) : [`${name}: ${scalar(v)}`]
  })
}
