// Package items encodes and decodes the items of Cadastre's table: one file an
// item, with its key, its attributes and the two directions between the item
// and the type of [ipam] that it keeps. This package alone spells keys and
// attribute names.
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
//	what an account has  OWNER#<account>       IPAM|SCOPE|POOL#<id>
//	quota of an account  OWNER#<account>       META
//	pool shared with     PRINCIPAL#<account, unit or organisation>
//	                                           POOL#<id>
//	block in the pool    FOREIGN#<account>#<pool>
//	of another account                         <address, hex>#<length, 3 digits>
//	discovery            DISCO#<id>            META
//	association of it    ASSOC#<id>            META
//	all discoveries      DISCOVERIES           <id>
//	account discovered   DISCO#<discovery>     ACCOUNT#<Region>#<account>
//	CIDR discovered      FOUND#<discovery>#<Region>#<account>
//	                                           <type>#<resource>#<address, hex>#<length, 3 digits>
//	resource's CIDR      LIVE#<scope>#<4 or 6>
//	                                           <address, hex>#<length, 3 digits>#<resource>#<Region>
//	interface's address  IFACE#<scope>#<4 or 6>
//	                                           the same
//	history of a CIDR    HISTORY#<scope>#<address, hex>#<length, 3 digits>
//	                                           <type>#<resource, of an instance its interface>#<start, Unix ms, 15 digits>
//	answer to a token    TOKEN#<id>            META
//	refused request      REQUEST#<account>#<request>
//	                                           META
//	CIDR of a stable key STABLE#<account>#<pool>
//	                                           <key>
//	pending CIDR        PENDING#<account>       <address, hex>#<length, 3 digits>#<allocation>
//	work to be finished  WORK                  <what>#<id>
//	grants               GRANTS                META
//	the administrator    ORGANIZATION          META
//
// An address in a key is its bytes in hexadecimal, so that the order of sort
// keys is the order of addresses. Each item is written by the store alone; the
// stream's readers and the checker decode it.
package items
