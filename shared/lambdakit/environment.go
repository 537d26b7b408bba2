package lambdakit

// The environment of every function, beside AWS's own.
const (
	EnvTable      = "CADASTRE_TABLE"       // the table's name
	EnvHomeRegion = "CADASTRE_HOME_REGION" // the table's Region, in which the store writes
	EnvAccount    = "CADASTRE_ACCOUNT"     // the owner account, 12 digits
	EnvGrants     = "CADASTRE_GRANTS"      // JSON, see registry.ParseGrants; may be empty
	EnvQuotas     = "CADASTRE_QUOTAS"      // JSON, see ParseQuotas; may be empty

	// EnvIgnoreDefaultVPCs is true or false: the option IgnoreDefaultVPCs of the store;
	// "" is true. All functions get it, because more than one may be the first to show an
	// IPAM a VPC: discovery does, and the work on a new association of an IPAM.
	EnvIgnoreDefaultVPCs = "CADASTRE_IGNORE_DEFAULT_VPCS"
)

// The environment of the functions that carry out operations.
const (
	EnvDoor          = "CADASTRE_DOOR"                 // of the allocation function: events or direct
	EnvOrganization  = "CADASTRE_ORGANIZATION"         // true or false: the function may ask AWS Organizations for the units of accounts; "" is false
	EnvVendingRole   = "CADASTRE_VENDING_ROLE"         // the name of the role that makes VPCs in each account; "" if none are made
	EnvFromPoolsOnly = "CADASTRE_VPCS_FROM_POOLS_ONLY" // true or false: CIDRs of VPCs must come from pools; "" is false
)

// The environment of the functions that watch the network.
const (
	EnvAccounts         = "CADASTRE_ACCOUNTS"          // see discover.NewDirectory
	EnvBus              = "CADASTRE_BUS"               // the name of the event bus
	EnvComplianceQueue  = "CADASTRE_COMPLIANCE_QUEUE"  // the URL of the compliance function's queue
	EnvDiscoveryQueue   = "CADASTRE_DISCOVERY_QUEUE"   // the URL of the discovery function's queue
	EnvExcludedAccounts = "CADASTRE_EXCLUDED_ACCOUNTS" // ids that NewDirectory leaves out, with commas between them; "" for none
	EnvForecastDays     = "CADASTRE_FORECAST_DAYS"     // a pool that is expected to be exhausted within so many days has an event; default DefaultForecastDays
	EnvReaderRole       = "CADASTRE_READER_ROLE"       // the name of the reader role in each account; default discover.ReaderRole
	EnvReaders          = "CADASTRE_READERS"           // see discover.NewClients; a number from 1, default 1
	EnvResourceMetrics  = "CADASTRE_RESOURCE_METRICS"  // true or false: the function writes the optional metrics of single resources
)

// The environment of the hosted console.
const (
	EnvConsole       = "CADASTRE_CONSOLE"        // JSON, see hosted.ParseSettings
	EnvConsoleKey    = "CADASTRE_CONSOLE_KEY"    // the name of the SSM parameter with the key of the cookies
	EnvConsoleOrigin = "CADASTRE_CONSOLE_ORIGIN" // the console's own origin, such as https://console.example.com
	EnvConsoleRoles  = "CADASTRE_CONSOLE_ROLES"  // the names of the classes' roles without the class at their ends
	EnvEndpoint      = "CADASTRE_ENDPOINT"       // the URL of the API, with the stage
)
