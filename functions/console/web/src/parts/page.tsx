import ContentLayout from '@cloudscape-design/components/content-layout'
import Header from '@cloudscape-design/components/header'
import { createContext, use, useEffect, type ReactNode } from 'react'

export interface Crumb {
  text: string
  href: string
}

// Place holds where the viewer is, for the bread crumbs of the layout.
export const Place = createContext<(crumbs: readonly Crumb[]) => void>(() => undefined)

// Page is the frame of each page: heading, bread crumbs, document's title.
export function Page({ title, crumbs, description, actions, info, children }: {
  title: string
  crumbs?: readonly Crumb[] // the pages above this one; the home page is left out
  description?: ReactNode
  actions?: ReactNode
  info?: ReactNode
  children: ReactNode
}) {
  const place = use(Place)
  const above = JSON.stringify(crumbs ?? [])
  useEffect(() => {
    document.title = `${title} – Cadastre`
    place([...(JSON.parse(above) as Crumb[]), { text: title, href: '' }])
  }, [title, above, place])
  return (
    <ContentLayout header={<Header variant="h1" description={description} actions={actions} info={info}>{title}</Header>}>
      {children}
    </ContentLayout>
  )
}
