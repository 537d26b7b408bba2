import FormField from '@cloudscape-design/components/form-field'
import Select from '@cloudscape-design/components/select'
import { useSearchParams } from 'react-router'
import { useScopeName, useScopes, type Scope } from '../data'
import { useText } from '../text'
import { common } from './text'

// useScope returns the scope that the address names (?scope=…), or else the first private
// one, and a function that changes it.
export function useScope(): { scope: Scope | undefined; scopes: readonly Scope[] | undefined; loading: boolean; error: unknown; choose: (id: string) => void } {
  const [search, setSearch] = useSearchParams()
  const { data, error, isPending } = useScopes()
  const wanted = search.get('scope')
  const scope = data?.find(s => s.IpamScopeId === wanted) ?? data?.find(s => s.IpamScopeType === 'private' && s.IsDefault === true) ?? data?.[0]
  return {
    scope, scopes: data, error, loading: isPending,
    choose: id => setSearch(old => {
      const next = new URLSearchParams(old)
      next.set('scope', id)
      return next
    }),
  }
}

// ScopeSelect chooses the scope of a list.
export function ScopeSelect({ scope, scopes, choose }: { scope: Scope | undefined; scopes: readonly Scope[] | undefined; choose: (id: string) => void }) {
  const t = useText(common)
  const name = useScopeName()
  const option = (s: Scope) => ({ value: s.IpamScopeId ?? '', label: name(s), description: s.IpamScopeId })
  return (
    <div className="chooser"><FormField label={t.scope}>
      <Select
        selectedOption={scope ? option(scope) : null}
        options={(scopes ?? []).map(option)}
        onChange={e => choose(e.detail.selectedOption.value ?? '')}
        placeholder={t.scope}
        statusType={scopes ? 'finished' : 'loading'}
        loadingText={t.loading}
      />
    </FormField></div>
  )
}
