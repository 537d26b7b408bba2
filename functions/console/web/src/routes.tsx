// The pages, each in files of its own that are loaded when it is opened.
import { lazy, type ComponentType } from 'react'
import { type RouteObject } from 'react-router'
import { Missing } from './layout/missing'

// page returns a route whose module exports the component under a name.
function page<N extends string>(path: string, name: N, load: () => Promise<Record<N, ComponentType>>): RouteObject {
  const Component = lazy(async () => ({ default: (await load())[name] as ComponentType }))
  return { path, element: <Component /> }
}

export const routes: RouteObject[] = [

  page('/', 'Home', () => import('./pages/home')),
  page('/resources', 'Resources', () => import('./pages/resources')),

  page('/allocations', 'Allocations', () => import('./pages/allocations')),

  { path: '*', element: <Missing /> },
]
