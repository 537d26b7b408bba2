import Box from '@cloudscape-design/components/box'
import Spinner from '@cloudscape-design/components/spinner'
import { useText } from '../text'
import { common } from './text'

export function Loading() {
  const t = useText(common)
  return <Box padding="l" textAlign="center"><Spinner /> <Box variant="span" color="text-body-secondary">{t.loading}</Box></Box>
}
