// The pages, each in files of its own that are loaded when it is opened.
import { lazy, type ComponentType } from 'react'
import { type RouteObject } from 'react-router'
import { Missing } from './layout/missing'

// page returns a route whose module exports the component under a name.
function page<N extends string>(path: string, name: N, load: () => Promise<Record<N, ComponentType>>): RouteObject {
  const Component = lazy<ComponentType>(async () => ({ default: (await load())[name] }))
  return { path, element: <Component /> }
}

export const routes: RouteObject[] = [
  page('/', 'Home', () => import('./pages/home')),
  page('/pools', 'Pools', () => import('./pages/pools')),
  page('/pools/:id', 'Pool', () => import('./pages/pool')),
  page('/map', 'SpaceMapPage', () => import('./pages/map')),
  page('/pools/:id/allocate', 'Allocate', () => import('./pages/pool/allocate')),
  page('/pools/:id/edit', 'EditPool', () => import('./pages/pool/edit')),
  page('/create', 'Create', () => import('./pages/create')),
  page('/resources', 'Resources', () => import('./pages/resources')),
  page('/overlaps', 'Overlaps', () => import('./pages/overlaps')),
  page('/history', 'History', () => import('./pages/history')),
  page('/public', 'Public', () => import('./pages/public')),
  page('/discovery', 'Discovery', () => import('./pages/discovery')),
  page('/allocations', 'Allocations', () => import('./pages/allocations')),
  page('/requests', 'Requests', () => import('./pages/requests')),
  page('/settings', 'Settings', () => import('./pages/settings')),
  page('/search', 'Search', () => import('./pages/search')),
  { path: '*', element: <Missing /> },
]
