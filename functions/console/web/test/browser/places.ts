// All pages, for the tests of all pages and for the pictures.
import { pools } from '../../mock/data'

export const places: { name: string; path: string }[] = [
  { name: 'home', path: '/' },
  { name: 'pools', path: '/pools' },
  { name: 'pool', path: `/pools/${pools.osakaProd}` },
  { name: 'pool-utilisation', path: `/pools/${pools.tokyoProd}?tab=utilisation` },
  { name: 'pool-resources', path: `/pools/${pools.osakaProd}?tab=resources` },
  { name: 'pool-rules', path: `/pools/${pools.osakaProd}?tab=rules` },
  { name: 'map', path: '/map' },
  { name: 'map-zoomed', path: '/map?cidr=10.1.0.0/16&colour=compliance' },
  { name: 'map-pool', path: `/map?pool=${pools.tokyo}&colour=owner` },
  { name: 'map-ipv6', path: '/map?family=ipv6&colour=age' },
  { name: 'map-table', path: '/map?view=table' },
  { name: 'resources', path: '/resources' },
  { name: 'overlaps', path: '/overlaps' },
  { name: 'history', path: '/history?cidr=10.1.0.0/24' },
  { name: 'public', path: '/public' },
  { name: 'discovery', path: '/discovery' },
  { name: 'allocations', path: '/allocations' },
  { name: 'requests', path: '/requests' },
  { name: 'settings', path: '/settings' },
  { name: 'search', path: '/search?q=10.1.0.5' },
]

// The map of a network with more blocks than one answer holds.
export const manyBlocks: { name: string; path: string }[] = [
  { name: 'map-tiles', path: '/map' },
  { name: 'map-tiles-compliance', path: '/map?colour=compliance' },
  { name: 'map-tiles-zoomed', path: '/map?cidr=10.7.32.0/20' },
  { name: 'map-tiles-table', path: '/map?view=table' },
]
