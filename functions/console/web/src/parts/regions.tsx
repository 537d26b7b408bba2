import FormField from '@cloudscape-design/components/form-field'
import Select from '@cloudscape-design/components/select'
import { useSearchParams } from 'react-router'
import { useDiscoveries, type Discovery } from '../data'
import { catalogue, useText } from '../text'
import { nameOf } from './cells'
import { common } from './text'

const texts = catalogue({ en: { discovery: 'Resource discovery', default: 'default' }, ja: { discovery: 'リソース検出', default: 'デフォルト' } })

// useDiscovery returns the resource discovery that the address names (?discovery=…), or else the
// default one, and the Region (?region=…), or else its first one.
export function useDiscovery() {
  const [search, setSearch] = useSearchParams()
  const { data, error, isPending } = useDiscoveries()
  const discovery = data?.find(d => d.IpamResourceDiscoveryId === search.get('discovery')) ?? data?.find(d => d.IsDefault === true) ?? data?.[0]
  const regions = (discovery?.OperatingRegions ?? []).flatMap(r => (r.RegionName === undefined ? [] : [r.RegionName])).sort()
  const region = regions.find(r => r === search.get('region')) ?? regions[0]
  const set = (key: string) => (value: string) => setSearch(old => { const next = new URLSearchParams(old); next.set(key, value); return next })
  return { discoveries: data, discovery, regions, region, error, loading: isPending, chooseDiscovery: set('discovery'), chooseRegion: set('region') }
}

export function DiscoverySelect({ discoveries, discovery, choose }: { discoveries: readonly Discovery[] | undefined; discovery: Discovery | undefined; choose: (id: string) => void }) {
  const t = useText(texts)
  const option = (d: Discovery) => ({ value: d.IpamResourceDiscoveryId ?? '', label: nameOf(d.Tags) ?? d.IpamResourceDiscoveryId ?? '', description: d.IsDefault === true ? t.default : d.Description })
  return (
    <FormField label={t.discovery}>
      <Select selectedOption={discovery ? option(discovery) : null} options={(discoveries ?? []).map(option)} onChange={e => choose(e.detail.selectedOption.value ?? '')} />
    </FormField>
  )
}

export function RegionSelect({ regions, region, choose }: { regions: readonly string[]; region: string | undefined; choose: (name: string) => void }) {
  const c = useText(common)
  return (
    <FormField label={c.region}>
      <Select selectedOption={region === undefined ? null : { value: region, label: region }} options={regions.map(value => ({ value, label: value }))} onChange={e => choose(e.detail.selectedOption.value ?? '')} />
    </FormField>
  )
}
