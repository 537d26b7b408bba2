package fsck

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// table contains the items of a table and the problems found.
type table struct {
	now      int64 // Unix seconds
	problems []Problem

	blocks      []block
	taken       []taken
	cidrs       []poolCIDR
	records     []byID
	objects     []object
	listed      []listing
	accounts    []account
	notes       []string // sort keys
	shares      []share
	foreign     []foreignRow
	refused     []asked
	pendingRows []pendingRow

	everywhere []string // ids in the list of all discoveries
	progress   []progress
	found      []found
	live       []liveRow
	usages     []string // pools
	forecasts  []string // pools
	history    []record
	mapHeads   []mapHead
	mapRows    map[string]bool // keys of the rows of scans' maps

	members       []member
	versions      []version
	versionCIDRs  []version
	everyResolver []string // ids in the list of all resolvers

	index   map[ref]*object
	cidrAt  map[place]*poolCIDR // CIDRs that are roots
	roots   []root
	liveAt  map[livePlace]*liveRow
	waiting map[string][]netip.Prefix // by scope: CIDRs that a note says are still to be compared with the live resources
	purging map[string]bool           // discoveries, and their accounts in Regions, whose rows a note says are still to follow
}

const (
	meta   = "META"
	workPK = "WORK"
)

// block has the common members of free and taken blocks.
type block struct {
	space    string
	sk       string
	cidr     netip.Prefix
	rootText string // "<root id>/<bits>"
	isTaken  bool
}

func (b *block) free() bool { return !b.isTaken }

func (b *block) pk() string {
	if b.isTaken {
		return "SPACE#" + b.space + "#TAKEN"
	}
	return "SPACE#" + b.space + "#FREE"
}

func (b *block) root() (id string, bits int) {
	id, n, _ := strings.Cut(b.rootText, "/")
	if bits, err := strconv.Atoi(n); err == nil {
		return id, bits
	}
	return id, -1
}

// taken is a taken block.
type taken struct {
	space, sk                         string
	cidr                              netip.Prefix
	id, kind, owner, resource, region string
	request, plan                     string
	deadline, pendingUntil, madeAt    int64 // Unix seconds
}

// hidden reports whether the block is no allocation, so that only its space
// knows it.
func (b *taken) hidden() bool { return b.kind == "split" || b.kind == "hold" }

func (b *taken) pk() string { return "SPACE#" + b.space + "#TAKEN" }

// root is a CIDR of a space.
type root struct {
	space string
	cidr  netip.Prefix
	id    string
}

// pk returns the partition key of the item that has the root: the row of a
// pool's CIDR, or a scope.
func (r *root) pk() string {
	if scope, _, ok := strings.Cut(r.space, "#"); ok {
		return "SCOPE#" + scope
	}
	return "SPACE#" + r.space + "#CIDR"
}

func (r *root) sk() string {
	if strings.Contains(r.space, "#") {
		return meta
	}
	return blockSK(r.cidr)
}

type place struct {
	space string
	cidr  netip.Prefix
}

// poolCIDR is the row of a pool's CIDR.
type poolCIDR struct {
	pool, sk                      string
	cidr                          netip.Prefix
	id, owner, source, allocation string
	holds                         bool    // it is a root of the pool
	pending                       bool    // it has still to be compared with the live resources in it
	of                            *object // the pool, if the CIDR is a root and the pool exists
	matched                       bool    // its block in the source space exists
}

func (c *poolCIDR) pk() string { return "SPACE#" + c.pool + "#CIDR" }

// byID is an allocation's by-id item.
type byID struct {
	id, space, kind, owner string
	cidr                   netip.Prefix
	active, matched        bool
}

type objectKind uint8

const (
	kindIPAM objectKind = iota + 1
	kindScope
	kindPool
	kindDiscovery
	kindAssociation
	kindResolver
)

var objectKinds = map[string]objectKind{"IPAM": kindIPAM, "SCOPE": kindScope, "POOL": kindPool, "DISCO": kindDiscovery, "ASSOC": kindAssociation, "RESOLVER": kindResolver}

type ref struct {
	kind objectKind
	id   string
}

func (r ref) pk() string {
	switch r.kind {
	case kindIPAM:
		return "IPAM#" + r.id
	case kindScope:
		return "SCOPE#" + r.id
	case kindPool:
		return "POOL#" + r.id
	case kindDiscovery:
		return "DISCO#" + r.id
	case kindResolver:
		return "RESOLVER#" + r.id
	default:
		return "ASSOC#" + r.id
	}
}

// object is an IPAM, a scope, a pool, a resource discovery, an association or a prefix list
// resolver.
type object struct {
	ref
	document
	selection                    // of a resolver
	through               string // of a resolver: the key of the last CIDR whose selection is known, "" for all
	owner, state          string
	childCount, cidrCount int64 // its stored counts
	children, cidrs       int64 // the real numbers
	associations          int64 // the real number of an IPAM's associations
	listed                bool
}

// document has the members of an object's document that the checks use.
type document struct {
	ID, Owner, IPAM           string
	PublicScope, PrivateScope string               // of an IPAM
	Discovery                 string               // of an IPAM, its default one; of an association
	DiscoveryAssociation      string               // of an IPAM, its default one
	DiscoveryAssociations     int64                // of an IPAM
	Type                      string               // of a scope
	Default                   bool                 // of a scope and an association
	NotFound                  bool                 // of an association: its discovery is gone
	IPAMs                     []string             // of a discovery
	Scope, ScopeType          string               // of a pool
	SourcePool, Family        string               // of a pool; a resolver has the latter too
	Locale                    string               // of a pool
	SourceResource            *struct{ ID string } // of a resource planning pool
	Shares                    []string             // of a pool
	Depth                     int                  // of a pool
}

// listing is a row of an account that lists an object of its own.
type listing struct {
	account string
	ref     ref
}

// share is a principal's row for a pool that is shared with it.
type share struct{ principal, pool string }

func (s share) pk() string { return "PRINCIPAL#" + s.principal }
func (s share) sk() string { return "POOL#" + s.pool }

// foreign identifies an account's block in a pool of another account.
type foreign struct {
	account, pool string
	cidr          netip.Prefix
}

func (f foreign) pk() string { return "FOREIGN#" + f.account + "#" + f.pool }

// foreignRow is the row of such a block, with the id of its allocation.
type foreignRow struct {
	foreign
	id string
}

type account struct {
	account            string
	ipams, discoveries int64
}

// row reads one item's attributes and records problems.
type row struct {
	t      *table
	pk, sk string
	attrs  map[string]types.AttributeValue
	asked  []string // attributes that exist and are known
	failed bool
}

func (r *row) fail(format string, args ...any) {
	r.failed = true
	r.t.problem(Form, r.pk, r.sk, format, args...)
}

func (r *row) has(name string) bool { return r.attrs[name] != nil }

// text returns a string attribute. An absent or empty one is a problem.
func (r *row) text(name string) string {
	s := r.maybe(name)
	if s == "" {
		r.fail("the attribute %s is missing or empty", name)
	}
	return s
}

// maybe returns a string attribute, and "" if it is absent.
func (r *row) maybe(name string) string {
	v := r.attrs[name]
	if v == nil {
		return ""
	}
	r.asked = append(r.asked, name)
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		r.fail("the attribute %s is a %T and no string", name, v)
		return ""
	}
	return s.Value
}

// number returns a number attribute. An absent one is a problem.
func (r *row) number(name string) int64 {
	v := r.attrs[name]
	if v == nil {
		r.fail("the attribute %s is missing", name)
		return 0
	}
	r.asked = append(r.asked, name)
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		r.fail("the attribute %s is a %T and no number", name, v)
		return 0
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		r.fail("the attribute %s is %q and no whole number", name, n.Value)
	}
	return i
}

func (r *row) count(name string) int64 {
	n := r.number(name)
	if n < 0 {
		r.fail("the attribute %s is %d, less than nothing", name, n)
	}
	return n
}

func (r *row) tags(name string) {
	v, ok := r.attrs[name].(*types.AttributeValueMemberM)
	if !ok {
		r.fail("the attribute %s is missing or no map", name)
		return
	}
	r.asked = append(r.asked, name)
	for key, value := range v.Value {
		if _, ok := value.(*types.AttributeValueMemberS); !ok {
			r.fail("the tag %q is a %T and no string", key, value)
		}
	}
}

func (r *row) oneOf(name string, values ...string) string {
	s := r.text(name)
	if s != "" && !slices.Contains(values, s) {
		r.fail("the attribute %s is %q, none of %s", name, s, strings.Join(values, ", "))
	}
	return s
}

// ok ends the reading of an item and reports whether the checks can use it. It
// records unknown attributes as problems; an item with such attributes can
// still be used.
func (r *row) ok() bool {
	if known := len(r.asked) + 2; known != len(r.attrs) { // PK and SK
		for name := range r.attrs {
			if name != "PK" && name != "SK" && !slices.Contains(r.asked, name) {
				r.t.problem(Form, r.pk, r.sk, "the attribute %s is not one of this item", name)
			}
		}
	}
	return !r.failed
}

// gone reports whether the item has expired and counts as absent. An item that
// is remembered for a while must have an expiry, and no other item may.
func (r *row) gone(remembered bool) bool {
	if !r.has("Expires") {
		if remembered {
			r.t.problem(Form, r.pk, r.sk, "it does not expire")
		}
		return false
	}
	e := r.number("Expires")
	if !remembered {
		r.t.problem(Form, r.pk, r.sk, "it expires at %d, and is in use", e)
	}
	return remembered && e != 0 && e < r.t.now
}

// add reads an item.
func (t *table) add(attrs map[string]types.AttributeValue) {
	pk, ok1 := attrs["PK"].(*types.AttributeValueMemberS)
	sk, ok2 := attrs["SK"].(*types.AttributeValueMemberS)
	if !ok1 || !ok2 {
		t.problem(Form, fmt.Sprint(attrs["PK"]), fmt.Sprint(attrs["SK"]), "the item has no string keys PK and SK")
		return
	}
	var asked [10]string // more than any item has
	r := &row{t: t, pk: pk.Value, sk: sk.Value, attrs: attrs, asked: asked[:0]}
	what, id, _ := strings.Cut(r.pk, "#")
	if read := readers[what]; read == nil || !read(t, r, id) {
		r.fail("no item has such a key")
	}
}

// readers has, for the first part of a partition key, the function that reads its items.
// id is the rest of the partition key. It reports false if no item has the key.
var readers map[string]func(t *table, r *row, id string) bool

func init() { // each kind of object has a reader of its own
	readers = map[string]func(t *table, r *row, id string) bool{
		"SPACE":        (*table).addOfSpace,
		"OWNER":        named((*table).addOwned),
		"PRINCIPAL":    named((*table).addShare),
		"FOREIGN":      (*table).addForeign,
		workPK:         alone((*table).addNote),
		"GRANTS":       single((*table).addSetting),
		"ORGANIZATION": single((*table).addSetting),
		"LAYOUT":       single((*table).addLayout),
		"RESTORES":     single((*table).addRestores),
		"DISCOVERIES":  alone((*table).addEverywhere),
		"RESOLVERS":    alone((*table).addEveryResolver),
		"MEMBERS":      named((*table).addMember),
		"FOUND": func(t *table, r *row, id string) bool {
			return strings.Count(id, "#") == 2 && named((*table).addFound)(t, r, id)
		},
		"LIVE":     named((*table).addLive),
		"IFACE":    named((*table).addLive),
		"HISTORY":  named((*table).addHistory),
		"PENDING":  named((*table).addPending),
		"DELETED":  named(func(t *table, r *row, _ string) { t.addDeleted(r) }),
		"STABLE":   named((*table).addStable),
		"REQUEST":  ofMeta(named((*table).addRefusal)),
		"ALLOC":    ofMeta(named((*table).addRecord)),
		"SPACEMAP": named((*table).addSpaceMap),
		"SAMPLES":  named((*table).addSample),
		"SUMMARY":  named((*table).addSummary),
		"CHANGES":  named((*table).addChange),
		"PAST":     func(t *table, r *row, id string) bool { t.addPast(r, id); return true },
		"TOKEN":    ofMeta(named(func(t *table, r *row, _ string) { t.addToken(r) })),
	}
	for what, kind := range objectKinds {
		readers[what] = func(t *table, r *row, id string) bool {
			switch {
			case id == "":
				return false
			case r.sk == meta:
				t.addObject(r, ref{kind, id})
			case what == "RESOLVER":
				t.addVersion(r, id)
			case what == "DISCO":
				t.addProgress(r, id)
			case what == "POOL" && r.sk == "USAGE":
				t.addUsage(r, id)
			case what == "POOL" && r.sk == "FORECAST":
				t.addForecast(r, id)
			default:
				return false
			}
			return true
		}
	}
}

// named is the reader of a partition that has an id in its key.
func named(add func(*table, *row, string)) func(*table, *row, string) bool {
	return func(t *table, r *row, id string) bool {
		if id != "" {
			add(t, r, id)
		}
		return id != ""
	}
}

// alone is the reader of a partition that is the only one of its kind.
func alone(add func(*table, *row)) func(*table, *row, string) bool {
	return func(t *table, r *row, id string) bool {
		if id == "" {
			add(t, r)
		}
		return id == ""
	}
}

// single is the reader of an item that is the only one of its kind.
func single(add func(*table, *row)) func(*table, *row, string) bool { return ofMeta(alone(add)) }

// ofMeta restricts a reader to the item that is alone in its partition.
func ofMeta(read func(*table, *row, string) bool) func(*table, *row, string) bool {
	return func(t *table, r *row, id string) bool { return r.sk == meta && read(t, r, id) }
}

// addOfSpace reads a block, or a CIDR of a pool.
func (t *table) addOfSpace(r *row, id string) bool {
	i := strings.LastIndexByte(id, '#')
	if i < 0 {
		return false
	}
	switch space := id[:i]; id[i+1:] {
	case "FREE":
		t.addFree(r, space)
	case "TAKEN":
		t.addTaken(r, space)
	case "CIDR":
		t.addCIDR(r, space)
	default:
		return false
	}
	return true
}

// addForeign reads the row of an account's block in a pool of another account.
func (t *table) addForeign(r *row, id string) bool {
	account, pool, ok := strings.Cut(id, "#")
	if !ok {
		return false
	}
	f := foreignRow{foreign{account, pool, r.cidr()}, r.text("AllocationId")}
	if r.ok() {
		t.foreign = append(t.foreign, f)
	}
	return true
}

// addSetting reads the grants or the organisation's administrator.
func (t *table) addSetting(r *row) {
	r.document("Object", nil)
	r.text("Since")
	r.ok()
}

func (t *table) addFree(r *row, space string) {
	var p netip.Prefix
	if fit, address, ok := strings.Cut(r.sk, "#"); ok {
		if n, ok := threeDigits(fit); ok {
			p = parseBlock(address, 128-n)
		}
	}
	if !p.IsValid() {
		r.fail("the sort key is not that of a free block")
	}
	b := block{space: space, sk: r.sk, cidr: p, rootText: r.text("Root")}
	if r.ok() {
		t.blocks = append(t.blocks, b)
	}
}

func (t *table) addTaken(r *row, space string) {
	b := taken{space: space, sk: r.sk, cidr: r.cidr(),
		id:       r.text("AllocationId"),
		kind:     r.oneOf("Kind", "custom", "ipam-pool", "vpc", "subnet", "eip", "ec2-public-ipv4-pool", "split", "hold"),
		owner:    r.text("Owner"),
		resource: r.maybe("ResourceId"),
		region:   r.maybe("ResourceRegion"),
	}
	under := block{space: space, sk: r.sk, cidr: b.cidr, rootText: r.text("Root"), isTaken: true}
	if b.kind == "split" {
		if b.deadline = r.number("Deadline"); b.deadline <= 0 {
			r.fail("the split's deadline is %d", b.deadline)
		}
	} else {
		r.tags("Tags")
		r.maybe("Description")
	}
	if r.has("Request") {
		if b.request = r.text("Request"); b.kind != "custom" {
			r.fail("a block of kind %s has the request %s", b.kind, b.request)
		}
	}
	if r.has("PendingUntil") {
		if b.pendingUntil = r.number("PendingUntil"); b.pendingUntil <= 0 || typeOf[b.kind] == "" {
			r.fail("a block of kind %s is pending until %d", b.kind, b.pendingUntil)
		}
	}
	if b.madeAt = r.madeAt(b.resource); b.madeAt != 0 && b.pendingUntil == 0 {
		r.fail("EC2 has made the resource at %d, and the block is not pending", b.madeAt)
	}
	if r.has("PlanningPool") {
		if b.plan = r.text("PlanningPool"); b.kind != "vpc" {
			r.fail("the planning pool %s has a block of kind %s", b.plan, b.kind)
		}
	}
	if b.hidden() && (b.resource != "" || b.region != "") {
		r.fail("the %s has the resource %q of Region %q", b.kind, b.resource, b.region)
	}
	if b.kind != "ipam-pool" && r.has("Seen") {
		r.text("Seen")
	}
	if r.ok() {
		t.blocks = append(t.blocks, under)
		t.taken = append(t.taken, b)
	}
}

func (t *table) addCIDR(r *row, pool string) {
	state := r.oneOf("State", "pending-provision", "provisioned", "failed-deprovision", "deprovisioned")
	holds := state != "deprovisioned"
	if r.gone(!holds) {
		return
	}
	c := poolCIDR{pool: pool, sk: r.sk, cidr: r.cidr(), holds: holds, pending: state == "pending-provision",
		id:         r.text("Id"),
		owner:      r.text("Owner"),
		source:     r.text("Source"),
		allocation: r.text("AllocationId"),
	}
	if r.has("Chosen") && r.number("Chosen") != 1 {
		r.fail("it was chosen %d times", r.number("Chosen"))
	}
	r.maybe("FailureCode")
	r.maybe("ClientToken")
	if why := r.maybe("Failure"); (why != "") != (state == "failed-deprovision") {
		r.fail("it is %s, and its failure is %q", state, why)
	}
	if r.ok() {
		t.cidrs = append(t.cidrs, c)
	}
}

func (t *table) addRecord(r *row, id string) {
	active := r.oneOf("State", "active", "released") == "active"
	if r.gone(!active) {
		return
	}
	b := byID{id: id, active: active,
		space: r.text("Space"),
		kind:  r.oneOf("Kind", "custom", "ipam-pool", "vpc", "subnet", "eip", "ec2-public-ipv4-pool"),
		owner: r.text("Owner"),
	}
	r.maybe("Digest")
	text := r.text("Cidr")
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Masked() != p || p.String() != text {
		r.fail("%q is not how a CIDR is written", text)
	}
	b.cidr = p
	if r.ok() {
		t.records = append(t.records, b)
	}
}

func (t *table) addToken(r *row) {
	if r.gone(true) {
		return
	}
	if r.maybe("Digest"); !r.has("Digest") {
		r.fail("the attribute Digest is missing")
	}
	r.document("Answer", nil)
	r.ok()
}

func (t *table) addObject(r *row, id ref) {
	states := []string{"create-complete", "modify-complete", "delete-in-progress"}
	switch id.kind {
	case kindDiscovery, kindResolver:
		states = states[:2]
	case kindAssociation:
		states = []string{"associate-complete", "disassociate-complete"}
	default: // objects that may take long to delete
	}
	o := object{ref: id, owner: r.text("Owner"), state: r.oneOf("State", states...)}
	if rev := r.number("Rev"); rev < 1 {
		r.fail("the revision is %d", rev)
	}
	switch id.kind {
	case kindIPAM:
		o.childCount = r.count("ScopeCount")
	case kindScope:
		o.childCount = r.count("PoolCount")
	case kindPool:
		o.childCount, o.cidrCount = r.count("ChildCount"), r.count("CidrCount")
	case kindResolver:
		r.count("Changes")
		if through := r.maybe("Through"); through != "" {
			p, err := netip.ParsePrefix(through)
			if err != nil || p.Masked() != p {
				r.fail("%q is not how a CIDR is written", through)
			}
			o.through = blockSK(p)
		}
	default: // these have no counts
	}
	doc := r.document("Object", &o.document)
	if id.kind == kindResolver && doc != "" && !r.failed {
		if err := json.Unmarshal([]byte(doc), &o.selection); err != nil {
			r.fail("the rules cannot be read: %v", err)
		}
	}
	if o.ID != id.id || o.Owner != o.owner {
		r.fail("the document is of %q of owner %q, and the item of %q of owner %q", o.ID, o.Owner, id.id, o.owner)
	}
	if (id.kind == kindPool || id.kind == kindResolver) && o.Family != "ipv4" && o.Family != "ipv6" {
		r.fail("%q is no family", o.Family)
	}
	if r.ok() {
		t.objects = append(t.objects, o)
	}
}

func (t *table) addOwned(r *row, owner string) {
	if r.sk == meta {
		a := account{account: owner, ipams: r.count("IpamCount")}
		if r.has("DiscoveryCount") {
			a.discoveries = r.count("DiscoveryCount")
		}
		if r.ok() {
			t.accounts = append(t.accounts, a)
		}
		return
	}
	what, id, _ := strings.Cut(r.sk, "#")
	if objectKinds[what] == 0 {
		r.fail("an account owns nothing of this kind")
	}
	if said := r.text("Id"); said != id {
		r.fail("the attribute Id is %q, and the key says %q", said, id)
	}
	if r.ok() {
		t.listed = append(t.listed, listing{owner, ref{objectKinds[what], id}})
	}
}

func (t *table) addShare(r *row, principal string) {
	what, pool, _ := strings.Cut(r.sk, "#")
	if what != "POOL" {
		r.fail("a principal is given nothing of this kind")
	}
	if said := r.text("Id"); said != pool {
		r.fail("the attribute Id is %q, and the key says %q", said, pool)
	}
	if r.ok() {
		t.shares = append(t.shares, share{principal, pool})
	}
}

func (t *table) addNote(r *row) {
	if since := r.number("Since"); since <= 0 {
		r.fail("the work began at %d", since)
	}
	r.maybe("Token")
	if r.ok() {
		t.notes = append(t.notes, r.sk)
	}
}

// document reads a JSON attribute, into v unless v is nil, and returns its
// text.
func (r *row) document(name string, v any) string {
	s := r.text(name)
	if s == "" {
		return ""
	}
	if v == nil {
		if !json.Valid([]byte(s)) {
			r.fail("the attribute %s is no JSON", name)
		}
	} else if err := json.Unmarshal([]byte(s), v); err != nil {
		r.fail("the attribute %s cannot be read: %v", name, err)
	}
	return s
}

// cidr reads a sort key of the form <address, hex>#<length, 3 digits>.
func (r *row) cidr() netip.Prefix { return r.block(r.sk) }

// block reads a part of a key in that form.
func (r *row) block(key string) netip.Prefix {
	if address, length, ok := strings.Cut(key, "#"); ok {
		if n, ok := threeDigits(length); ok {
			if p := parseBlock(address, n); p.IsValid() {
				return p
			}
		}
	}
	r.fail("%q is not how a key writes a block", key)
	return netip.Prefix{}
}

// blockSK returns the sort key of a taken block.
func blockSK(p netip.Prefix) string {
	return fmt.Sprintf("%x#%03d", p.Addr().AsSlice(), p.Bits())
}

// threeDigits reads a number of exactly three digits.
func threeDigits(s string) (int, bool) {
	if len(s) != 3 {
		return 0, false
	}
	n := 0
	for i := range 3 {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = 10*n + int(d)
	}
	return n, true
}

// parseBlock reads an address in lower-case hex. The result is invalid unless
// the address has 4 or 16 bytes and no bits set after the length.
func parseBlock(address string, bits int) netip.Prefix {
	var a [16]byte
	if len(address) != 8 && len(address) != 32 {
		return netip.Prefix{}
	}
	for i := range len(address) {
		d := strings.IndexByte("0123456789abcdef", address[i])
		if d < 0 {
			return netip.Prefix{}
		}
		a[i/2] = a[i/2]<<4 | byte(d)
	}
	addr := netip.AddrFrom16(a)
	if len(address) == 8 {
		addr = netip.AddrFrom4([4]byte(a[:4]))
	}
	if p := netip.PrefixFrom(addr, bits); p.IsValid() && p.Masked() == p {
		return p
	}
	return netip.Prefix{}
}
