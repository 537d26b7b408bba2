import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import { query } from '../parts/link'
import { useText } from '../text'
import { texts } from './text'

// SignedOut stands in place of all pages. hosted is unknown if the session was never read;
// the page then offers both ways in.
export function SignedOut({ hosted }: { hosted: boolean | undefined }) {
  const t = useText(texts)
  return (
    <main>
      <Box padding="xxl">
        <Alert type="info" header={t.signedOut} action={hosted === false ? undefined : <Button href={query('/login', { to: location.pathname + location.search })} variant="primary">{t.signIn}</Button>}>
          {hosted === true ? t.signedOutHosted : <>{t.signedOutHere} <code>cadastre console</code></>}
        </Alert>
      </Box>
    </main>
  )
}
