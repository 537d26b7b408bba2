// The rules of a pool as sentences.
import { type Pool } from '../../data'
import { catalogue } from '../../text'

export const rules = catalogue({
  en: {
    exact: (length: string) => `Each allocation has the length ${length}.`,
    range: (min: string, max: string) => `An allocation has a length from ${min} (largest) to ${max} (smallest).`,
    atLeast: (min: string) => `No allocation is larger than ${min}.`,
    atMost: (max: string) => `No allocation is smaller than ${max}.`,
    standard: (length: string) => `A request without a length gets ${length}.`,
    tags: (tags: string) => `A resource must have the tags ${tags}.`,
    locale: (region: string) => `Only resources in ${region} get space, because the pool has this locale.`,
    noLocale: 'The pool has no locale: it gives space to other pools and to custom uses, not to resources of a Region.',
    importYes: 'A resource that discovery finds inside the pool’s CIDRs is imported: it gets an allocation if its space is free.',
    importNo: 'A resource that discovery finds inside the pool’s CIDRs is not imported: its space is held, and it stays unmanaged.',
    advertisable: 'CIDRs of the pool may be advertised to the internet.',
    notAdvertisable: 'CIDRs of the pool may not be advertised to the internet.',
    free: 'There is no rule on lengths or tags.',
    planning: (vpc: string) => `This is a resource planning pool: it gives subnets of ${vpc} their CIDRs.`,
  },
  ja: {
    exact: length => `割り振りのネットマスク長は ${length} です。`,
    range: (min, max) => `割り振りのネットマスク長は ${min} (最大) から ${max} (最小) までです。`,
    atLeast: min => `${min} より大きい割り振りはできません。`,
    atMost: max => `${max} より小さい割り振りはできません。`,
    standard: length => `長さを指定しないリクエストには ${length} を割り振ります。`,
    tags: tags => `リソースにはタグ ${tags} が必要です。`,
    locale: region => `プールのロケールにより、${region} のリソースのみに割り振ります。`,
    noLocale: 'ロケールがないため、他のプールとカスタム用途に割り振ります。リージョンのリソースには割り振りません。',
    importYes: 'プールの CIDR 内で検出されたリソースを自動的にインポートします。空間が空いていれば割り振りが作成されます。',
    importNo: 'プールの CIDR 内で検出されたリソースをインポートしません。空間は確保され、リソースはアンマネージドのままです。',
    advertisable: 'プールの CIDR はインターネットにアドバタイズできます。',
    notAdvertisable: 'プールの CIDR はインターネットにアドバタイズできません。',
    free: 'ネットマスク長とタグに関するルールはありません。',
    planning: vpc => `リソースプランニングプールです。${vpc} のサブネットに CIDR を割り振ります。`,
  },
})

export function sentences(pool: Pool, t: (typeof rules)['en']): string[] {
  const said: string[] = []
  const { AllocationMinNetmaskLength: min, AllocationMaxNetmaskLength: max, AllocationDefaultNetmaskLength: standard } = pool
  const slash = (n: number) => `/${n}`
  if (pool.SourceResource?.ResourceId !== undefined) said.push(t.planning(pool.SourceResource.ResourceId))
  if (min !== undefined && max !== undefined) said.push(min === max ? t.exact(slash(min)) : t.range(slash(min), slash(max)))
  else if (min !== undefined) said.push(t.atLeast(slash(min)))
  else if (max !== undefined) said.push(t.atMost(slash(max)))
  if (standard !== undefined) said.push(t.standard(slash(standard)))
  const tags = pool.AllocationResourceTags ?? []
  if (tags.length > 0) said.push(t.tags(tags.map(tag => `${tag.Key ?? ''}=${tag.Value ?? ''}`).join(', ')))
  if (min === undefined && max === undefined && tags.length === 0) said.push(t.free)
  if (pool.SourceResource?.ResourceId === undefined) said.push(pool.Locale === undefined || pool.Locale === 'None' ? t.noLocale : t.locale(pool.Locale))
  said.push(pool.AutoImport === true ? t.importYes : t.importNo)
  if (pool.IpamScopeType === 'public' && pool.PubliclyAdvertisable !== undefined) said.push(pool.PubliclyAdvertisable ? t.advertisable : t.notAdvertisable)
  return said
}
