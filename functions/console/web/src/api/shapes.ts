// Names for shapes of the API's description that several files use. The shapes of lists of the EC2
// API have theirs in src/data.ts.
import type { components } from './schema'

type Shapes = components['schemas']

export type AddressFamily = NonNullable<Shapes['IpamSpaceMap']['AddressFamily']>
export type SpaceMap = Shapes['IpamSpaceMap']
export type SpaceBlock = Shapes['IpamSpaceBlock']
export type SpaceResource = Shapes['IpamSpaceResource']
export type SpaceTile = Shapes['IpamSpaceTile']
export type SearchMatch = Shapes['IpamSearchMatch']
export type Forecast = Shapes['IpamPoolForecast']
export type PoolUtilization = Shapes['IpamPoolUtilization']
export type UtilizationSample = Shapes['IpamPoolSample']
export type IpamSummary = Shapes['IpamSummary']
export type ScopeSummary = Shapes['IpamScopeSummary']
export type PoolSummary = Shapes['IpamPoolSummary']
export type SummaryChange = Shapes['IpamChange']
