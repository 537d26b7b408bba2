// Types of operations that the OpenAPI document does not have yet.
export type AddressFamily = 'ipv4' | 'ipv6'

interface Define<I, O> {
  input: I & { DryRun?: boolean }
  output: O
}

export interface CallerAccess {
  AccountId?: string
  PrincipalArn?: string
  OrganizationId?: string
  Class?: string
  OwnerAccountId?: string
  IsOwner?: boolean
  HomeRegion?: string
  Operations?: string[]
  Quotas?: Record<string, number>
}

export interface SpaceBlock {
  Cidr?: string
  State?: 'pool' | 'allocated' | 'held' | 'free' | 'changing'
  IpamPoolId?: string
  ChildIpamPoolId?: string
  IpamPoolAllocationId?: string
  ResourceType?: string
  ResourceId?: string
  ResourceOwner?: string
  ResourceRegion?: string
  Description?: string
  Name?: string
  PendingUntil?: string
}

export interface SpaceResource {
  Cidr?: string
  ResourceId?: string
  ResourceType?: string
  ResourceOwnerId?: string
  ResourceRegion?: string
  ResourceName?: string
  VpcId?: string
  IpamPoolId?: string
  IpamPoolAllocationId?: string
  ManagementState?: 'managed' | 'unmanaged' | 'ignored'
  ComplianceStatus?: 'compliant' | 'noncompliant' | 'unmanaged' | 'ignored'
  OverlapStatus?: 'overlapping' | 'nonoverlapping' | 'ignored'
  OverlapsWith?: string
  Since?: string
  Until?: string
}

export interface SpaceCounts {
  Allocations?: number
  FreeBlocks?: number
  Resources?: number
  ProvisionedAddresses?: number
  AllocatedAddresses?: number
  HeldAddresses?: number
  FreeAddresses?: number
  OverlappingAddresses?: number
  NoncompliantAddresses?: number
  UnmanagedAddresses?: number
}

export interface SpaceTotals extends SpaceCounts {
  Pools?: number
}

export interface SpaceTile extends SpaceCounts {
  Cidr?: string
  IpamPoolId?: string
}

export interface SpaceMap {
  IpamScopeId?: string
  IpamPoolId?: string
  AddressFamily?: AddressFamily
  Cidr?: string
  Source?: 'live' | 'summary' | 'history'
  Detail?: 'exact' | 'tiles'
  AsOf?: string
  Blocks?: SpaceBlock[]
  Resources?: SpaceResource[]
  Tiles?: SpaceTile[]
  Totals?: SpaceTotals
}

export interface SearchMatch {
  MatchKind?: string
  MatchedBy?: string
  Id?: string
  Cidr?: string
  IpamId?: string
  IpamScopeId?: string
  IpamPoolId?: string
  IpamPoolAllocationId?: string
  OwnerId?: string
  ResourceType?: string
  ResourceId?: string
  ResourceRegion?: string
  Name?: string
  Description?: string
  ComplianceStatus?: string
  OverlapStatus?: string
  Since?: string
}

export interface Forecast {
  Outcome?: 'exhaustion' | 'not-growing' | 'not-enough-data' | 'exhausted'
  Earliest?: string
  Expected?: string
  Latest?: string
  PercentPerDay?: number
  BasedOnDays?: number
  AsOf?: string
}

export interface ScopeSummary {
  IpamScopeId?: string
  AddressFamily?: AddressFamily
  AsOf?: string
  Resources?: number
  Compliant?: number
  Noncompliant?: number
  Managed?: number
  Unmanaged?: number
  Ignored?: number
  Overlapping?: number
}

export interface PoolSummary {
  IpamPoolId?: string
  IpamScopeId?: string
  AddressFamily?: AddressFamily
  Locale?: string
  Description?: string
  Name?: string
  AsOf?: string
  PercentAllocated?: number
  PercentAssigned?: number
  PercentAvailable?: number
  FreeAddresses?: number
  Forecast?: Forecast
}

export interface FailingAccount {
  AccountId?: string
  Region?: string
  FailureCode?: string
  Message?: string
  LastAttempt?: string
  LastSuccess?: string
  Failures?: number
}

export interface SummaryChange {
  Time?: string
  Change?: 'began' | 'ended'
  ResourceType?: 'vpc' | 'subnet' | 'eip' | 'public-ipv4-pool' | 'ipv6-pool' | 'eni' | 'anycast-ip-list'
  ResourceId?: string
  Cidr?: string
  ResourceOwnerId?: string
  ResourceRegion?: string
  ResourceName?: string
  IpamScopeId?: string
  ComplianceStatus?: 'compliant' | 'noncompliant' | 'unmanaged' | 'ignored'
  OverlapStatus?: 'overlapping' | 'nonoverlapping' | 'ignored'
}

export interface IpamSummary {
  IpamId?: string
  Scopes?: ScopeSummary[]
  Pools?: PoolSummary[]
  PoolCount?: number
  FailingAccounts?: FailingAccount[]
  FailingAccountCount?: number
  DiscoveredAccountCount?: number
  ActiveAddresses?: number
  ActiveAddressesAsOf?: string
  Changes?: { From?: string; To?: string; Began?: number; Ended?: number; Complete?: boolean; Latest?: SummaryChange[] }
  Cost?: { ActiveAddresses?: number; UsdPerActiveAddressHour?: number; HoursPerMonth?: number; VpcIpamUsdPerMonth?: number; CadastreUsdPerMonth?: number; Basis?: string }
}

export interface UtilizationSample {
  Time?: string
  PercentAllocated?: number
  PercentAssigned?: number
  PercentAvailable?: number
  TotalAddresses?: number
  FreeAddresses?: number
}

export interface PoolUtilization {
  IpamPoolId?: string
  Samples?: UtilizationSample[]
  Forecast?: Forecast
}

export interface Extensions {
  GetCallerAccess: Define<object, { CallerAccess?: CallerAccess }>
  GetIpamSpaceMap: Define<{ IpamScopeId?: string; IpamPoolId?: string; AddressFamily?: AddressFamily; Cidr?: string; MaxBlocks?: number; AtTime?: string }, { IpamSpaceMap?: SpaceMap }>
  SearchIpam: Define<{ Text: string; MaxResults?: number; NextToken?: string }, { IpamSearchMatches?: SearchMatch[]; SearchedAs?: string; NotSearched?: string[]; NextToken?: string }>
  GetIpamSummary: Define<{ IpamId?: string }, { IpamSummaries?: IpamSummary[] }>
  GetIpamPoolUtilization: Define<{ IpamPoolIds: string[]; StartTime?: string; EndTime?: string; Step?: 'hour' | 'day' }, { IpamPoolUtilizations?: PoolUtilization[] }>
}
