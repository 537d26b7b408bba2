package items

import (
	"net/netip"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// WorkPK is the partition of work notes. The filter of the provisioning
// function's stream names it.
const WorkPK = "WORK"

// The kinds of work, with the id that a note of each has.
const (
	LiveWork       = "live"        // compares the space of a CIDR in a scope with the live resources there: <scope>#<CIDR>
	ImportWork     = "import"      // imports resources to a pool: <pool>
	PendingWork    = "pending"     // ends a pending block: <allocation>
	ResumeWork     = "resume"      // goes on with the deletion of a pool, which a pending block delayed: <pool>
	SplitWork      = "split"       // gives an abandoned split back: <space>#<CIDR>
	PurgeWork      = "purge"       // has the CIDRs that a discovery found follow its associations, or forgets them: <discovery> or <discovery>#<Region>#<account>
	SelectWork     = "select"      // selects all CIDRs of a prefix list resolver again, or deletes those of a deleted one: <resolver>
	MemberWork     = "member"      // selects one CIDR of a resolver again: <resolver>#<CIDR>
	VersionWork    = "version"     // makes a version of the CIDRs that a resolver selects: <resolver>
	DeletePoolWork = "delete-pool" // deletes a pool with its contents: <pool>
	DeleteIPAMWork = "delete-ipam" // deletes an IPAM with its contents: <IPAM>
)

// WorkKey returns the key of a work note.
func WorkKey(kind, id string) table.Key { return table.Key{PK: WorkPK, SK: kind + "#" + id} }

// ParseWork returns the kind and the id in the sort key of a work note.
func ParseWork(sk string) (kind, id string) {
	kind, id, _ = strings.Cut(sk, "#")
	return kind, id
}

// WorkRows returns the query for all work notes, by kind.
func WorkRows() table.Query { return table.Query{PK: WorkPK} }

// LiveWorkKey returns the key of the note of a CIDR in a scope.
func LiveWorkKey(scope string, p netip.Prefix) table.Key {
	return WorkKey(LiveWork, scope+"#"+p.String())
}

// LiveWorkRows returns the query for the notes of CIDRs in a scope.
func LiveWorkRows(scope string) table.Query {
	return rowsBeginning(WorkPK, WorkKey(LiveWork, scope).SK+"#")
}

// ParseLiveWork reads the id of a note of [LiveWork]. ok is false for any other
// text.
func ParseLiveWork(id string) (scope string, p netip.Prefix, ok bool) {
	scope, cidr, _ := strings.Cut(id, "#")
	p, err := netip.ParsePrefix(cidr)
	return scope, p, err == nil
}

// MemberWorkKey returns the key of the note that a CIDR of a resolver is to be selected
// again.
func MemberWorkKey(resolver string, p netip.Prefix) table.Key {
	return WorkKey(MemberWork, resolver+"#"+p.String())
}

// MemberWorkRows returns the query for all these notes of a resolver.
func MemberWorkRows(resolver string) table.Query {
	return rowsBeginning(WorkPK, WorkKey(MemberWork, resolver).SK+"#")
}

// ParseMemberWork reads the id of a note of [MemberWork]. ok is false for any other text.
func ParseMemberWork(id string) (resolver string, p netip.Prefix, ok bool) {
	resolver, cidr, _ := strings.Cut(id, "#")
	p, err := netip.ParsePrefix(cidr)
	return resolver, p, err == nil
}

// WorkGroup returns the text that the work notes have in common whose work is done together:
// one run for any of them does the work of all. It is of no further meaning.
func WorkGroup(sk string) string {
	if kind, id := ParseWork(sk); kind == MemberWork {
		resolver, _, _ := strings.Cut(id, "#")
		return WorkKey(MemberWork, resolver).SK
	}
	return sk
}

// SplitWorkKey returns the key of the note of a split.
func SplitWorkKey(space ipam.SpaceID, p netip.Prefix) table.Key {
	return WorkKey(SplitWork, string(space)+"#"+p.String())
}

// ParseSplitWork reads the id of a note of [SplitWork]. ok is false for any other
// text.
func ParseSplitWork(id string) (space ipam.SpaceID, p netip.Prefix, ok bool) {
	i := strings.LastIndexByte(id, '#') // the space of a scope has one, too
	if i < 0 {
		return "", netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(id[i+1:])
	return ipam.SpaceID(id[:i]), p, err == nil
}

// AccountPurgeWorkKey returns the key of the note of [PurgeWork] for one account of a
// discovery in one Region.
func AccountPurgeWorkKey(discovery, region, account string) table.Key {
	return WorkKey(PurgeWork, discovery+"#"+region+"#"+account)
}

// ParsePurgeWork reads the id of a note of [PurgeWork]. region and account are "" in
// the note of a whole discovery.
func ParsePurgeWork(id string) (discovery, region, account string) {
	discovery, place, _ := strings.Cut(id, "#")
	region, account, _ = strings.Cut(place, "#")
	return discovery, region, account
}
