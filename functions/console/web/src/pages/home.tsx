import Box from '@cloudscape-design/components/box'
import { Page } from '../parts/page'
import { texts } from '../layout/text'
import { useText } from '../text'

export function Home() {
  const t = useText(texts)
  return <Page title={t.home}><Box /></Page>
}
