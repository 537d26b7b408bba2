import Box from '@cloudscape-design/components/box'
import { Page } from '../parts/page'
import { To } from '../parts/link'
import { common } from '../parts/text'
import { useText } from '../text'

export function Missing() {
  const t = useText(common)
  return <Page title={t.error.notFound}><Box>{t.error.notFoundHelp} <To href="/">{t.error.home}</To></Box></Page>
}
