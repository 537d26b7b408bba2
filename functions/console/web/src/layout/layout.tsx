import AppLayout from '@cloudscape-design/components/app-layout'
import BreadcrumbGroup from '@cloudscape-design/components/breadcrumb-group'
import SideNavigation, { type SideNavigationProps } from '@cloudscape-design/components/side-navigation'
import { Suspense, useState } from 'react'
import { Outlet, useLocation, useNavigate } from 'react-router'
import { Boundary } from '../parts/error'
import { Loading } from '../parts/loading'
import { NoticeBar, NoticesProvider } from '../parts/notices'
import { Place, type Crumb } from '../parts/page'
import { useText } from '../text'
import { useViewer } from '../viewer'
import { texts } from './text'
import { Top } from './top'

export function Layout() {
  const t = useText(texts)
  const { language } = useViewer()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  const [crumbs, setCrumbs] = useState<readonly Crumb[]>([])
  const [open, setOpen] = useState(() => matchMedia('(min-width: 912px)').matches)

  const follow = (event: CustomEvent<{ href?: string; external?: boolean }>) => {
    const { href, external } = event.detail
    if (external === true || href === undefined) return
    event.preventDefault()
    if (href !== '') void navigate(href)
  }
  const items: SideNavigationProps.Item[] = [
    { type: 'link', text: t.home, href: '/' },
    { type: 'section-group', title: t.groups.space, items: [
      { type: 'link', text: t.pools, href: '/pools' },
      { type: 'link', text: t.map, href: '/map' },
      { type: 'link', text: t.allocations, href: '/allocations' },
    ] },
    { type: 'section-group', title: t.groups.observed, items: [
      { type: 'link', text: t.resources, href: '/resources' },
      { type: 'link', text: t.overlaps, href: '/overlaps' },
      { type: 'link', text: t.public, href: '/public' },
      { type: 'link', text: t.history, href: '/history' },
      { type: 'link', text: t.discovery, href: '/discovery' },
    ] },
    { type: 'section-group', title: t.groups.work, items: [
      { type: 'link', text: t.requests, href: '/requests' },
      { type: 'link', text: t.settings, href: '/settings' },
    ] },
  ]
  return (
    <NoticesProvider>
      <Place value={setCrumbs}>
        <Top />
        <AppLayout
          headerSelector="#top"
          toolsHide
          maxContentWidth={Number.MAX_VALUE}
          navigationOpen={open}
          onNavigationChange={e => setOpen(e.detail.open)}
          navigationWidth={240}
          navigation={<SideNavigation activeHref={`/${pathname.split('/')[1] ?? ''}`} items={items} onFollow={follow} />}
          breadcrumbs={crumbs.length === 0 || pathname === '/' ? undefined : (
            <BreadcrumbGroup ariaLabel={t.breadcrumbs} items={[{ text: t.home, href: '/' }, ...crumbs]} onFollow={follow} />
          )}
          notifications={<NoticeBar />}
          stickyNotifications
          ariaLabels={{ navigation: t.navigation, navigationToggle: t.open, navigationClose: t.close, notifications: t.notifications }}
          content={
            <Boundary resetKey={`${pathname} ${language}`}>
              <Suspense fallback={<Loading />}>
                <Outlet />
              </Suspense>
            </Boundary>
          }
        />
      </Place>
    </NoticesProvider>
  )
}
