// Package items encodes and decodes the items of Cadastre's table. Each kind of item
// has a file with its key, its attributes, and the conversions between the item and
// its type in package ipam. Only this package spells keys and attribute names.
//
// The keys:
//
//	item                 PK                    SK
//	free block           SPACE#<space>#FREE    <128−length, 3 digits>#<address, hex>
//	taken block          SPACE#<space>#TAKEN   <address, hex>#<length, 3 digits>
//	CIDR of a pool       SPACE#<pool>#CIDR     <address, hex>#<length, 3 digits>
//	allocation by id     ALLOC#<id>            META
//	IPAM, scope, pool    IPAM|SCOPE|POOL#<id>  META
//	usage of a pool      POOL#<id>             USAGE
//	forecast of a pool   POOL#<id>             FORECAST
//	sample of its usage  SAMPLES#<pool>        HOUR|DAY#<start of the hour or day, Unix seconds, 10 digits>
//	account's object     OWNER#<account>       IPAM|SCOPE|POOL#<id>
//	quota of an account  OWNER#<account>       META
//	pool shared with     PRINCIPAL#<account, unit or organisation>
//	                                           POOL#<id>
//	block in the pool    FOREIGN#<account>#<pool>
//	of another account                         <address, hex>#<length, 3 digits>
//	discovery            DISCO#<id>            META
//	association of it    ASSOC#<id>            META
//	all discoveries      DISCOVERIES           <id>
//	prefix list resolver RESOLVER#<id>         META
//	version of it        RESOLVER#<id>         VERSION#<number, 10 digits>
//	CIDRs of the version RESOLVER#<id>         CIDRS#<number, 10 digits>
//	all resolvers        RESOLVERS             <id>
//	CIDR that it selects MEMBERS#<resolver>    <address, hex>#<length, 3 digits>
//	account discovered   DISCO#<discovery>     ACCOUNT#<Region>#<account>
//	CIDR discovered      FOUND#<discovery>#<Region>#<account>
//	                                           <type>#<resource>#<address, hex>#<length, 3 digits>
//	resource's CIDR      LIVE#<scope>#<4 or 6>
//	                                           <address, hex>#<length, 3 digits>#<resource>#<Region>
//	interface's address  IFACE#<scope>#<4 or 6>
//	                                           the same
//	history of a CIDR    HISTORY#<scope>#<address, hex>#<length, 3 digits>
//	                                           <type>#<resource, of an instance its interface>#<start, Unix ms, 15 digits>
//	change of a scope    CHANGES#<scope>       <time, Unix ms, 15 digits>#began|ended#<address, hex>#<length, 3 digits>#<resource>#<Region>
//	summary of an IPAM   SUMMARY#<ipam>        NETWORK or SCOPE#<scope>#<4 or 6>
//	state before a       PAST#BLOCK#<space>, PAST#CIDR#<pool> or PAST#LIVE#<scope>#<4 or 6>
//	change of a row                            <sort key of the row>#<time, Unix seconds, 10 digits>#<sequence number of the change, 40 digits>
//	begin of the past    PAST                  META
//	map of a scope       SPACEMAP#<scope>#<4 or 6>
//	                                           META
//	tiles of the map     SPACEMAP#<scope>#<4 or 6>
//	                                           <time of the map, Unix ms, 15 digits>#<first address, hex>
//	answer to a token    TOKEN#<id>            META
//	refused request      REQUEST#<account>#<request>
//	                                           META
//	CIDR of a stable key STABLE#<account>#<pool>
//	                                           <key>
//	pending CIDR        PENDING#<account>       <address, hex>#<length, 3 digits>#<allocation>
//	work note            WORK                  <kind>#<id>
//	grants               GRANTS                META
//	the administrator    ORGANIZATION          META
//	the table's restores RESTORES              META
//
// An address in a key is its bytes in hexadecimal, so sort keys and addresses have the
// same order. Only the store writes items; the readers of the stream decode them too.
//
// Read the files in this order. Each uses only those before it:
//
//	parts    attributes.go prefix.go
//	space    block.go allocation.go poolcidr.go
//	objects  object.go discovery.go share.go usage.go resolver.go
//	network  resource.go history.go change.go past.go spacemap.go sample.go summary.go
//	others   request.go work.go layout.go restores.go
//	stream   image.go
package items
