// /create is the wizard. /create?step=pool and /create?step=scope are the forms for one more.
import { useSearchParams } from 'react-router'
import { NewPoolPage } from './pool'
import { NewScopePage } from './scope'
import { WizardPage } from './wizard'

export function Create() {
  const [search] = useSearchParams()
  switch (search.get('step')) {
    case 'pool': return <NewPoolPage />
    case 'scope': return <NewScopePage />
    default: return <WizardPage />
  }
}
