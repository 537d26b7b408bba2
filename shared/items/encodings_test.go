package items_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/layout"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

var update = flag.Bool("update", false, "write the golden file of a layout that has none yet")

var (
	block = netip.MustParsePrefix("10.0.0.0/24")
	v6    = netip.MustParsePrefix("2001:db8::/56")
)

// filled returns a value of which every field is set, so that a golden shows each of
// them: a string is the field's name, a number its place, a CIDR is block.
func filled[T any](change ...func(*T)) *T {
	v := new(T)
	n := int64(0)
	fill(reflect.ValueOf(v).Elem(), "", &n)
	for _, c := range change {
		c(v)
	}
	return v
}

func fill(v reflect.Value, name string, n *int64) {
	*n++
	switch at := v.Addr().Interface().(type) {
	case *netip.Prefix:
		*at = block
		return
	case *ipam.Family:
		*at = ipam.IPv4
		return
	case *time.Time:
		*at = time.Unix(1_800_000_000, 0).UTC()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name, n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("v"))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), f.Name, n)
			}
		}
	default:
		panic("no sample of a " + v.Kind().String())
	}
}

func samples() []table.Row {
	space, scope := ipam.SpaceID("ipam-pool-1"), ipam.ScopeSpace("ipam-scope-1", ipam.IPv6)
	stable, _ := items.StableKey("111122223333", "ipam-pool-1", ipam.Tags{ipam.StableKeyTag: "key"})
	history := filled[ipam.HistoryRecord]()
	pastBlock := &items.Past{Rows: items.PastBlocks(space), Row: items.TakenAfter(block), At: 1_800_000_000, Sequence: "123", Block: filled[ipam.PastBlock]()}
	pastResource := &items.Past{Rows: items.PastResources("ipam-scope-1", ipam.IPv4), Row: items.TakenAfter(block) + "#vpc-1#us-east-1", At: 1_800_000_000, Sequence: "123", Resource: filled[ipam.ResourceCIDR]().PastOf()}
	pastNothing := &items.Past{Rows: items.PastCIDRs("ipam-pool-1"), Row: items.TakenAfter(block), At: 1_800_000_000, Sequence: "123"}
	return []table.Row{
		{Key: items.FreeKey(space, block), Item: items.EncodeFree(*filled[ipam.Free]())},
		{Key: items.FreeKey(scope, v6), Item: items.EncodeFree(ipam.Free{CIDR: v6, Root: ipam.Root{ID: "ipam-scope-1"}})},
		{Key: items.TakenKey(space, block), Item: items.EncodeTaken(*filled[ipam.Taken]())},
		{Key: items.CIDRKey("ipam-pool-1", block), Item: items.EncodePoolCIDR(filled[ipam.PoolCIDR]())},
		{Key: items.AllocationKey("ipam-pool-alloc-1"), Item: filled[items.AllocationByID]().Encode()},
		{Key: items.IPAMKey("ipam-1"), Item: items.EncodeIPAM(filled[ipam.IPAM]())},
		{Key: items.ScopeKey("ipam-scope-1"), Item: items.EncodeScope(filled[ipam.Scope]())},
		{Key: items.PoolKey("ipam-pool-1"), Item: items.EncodePool(filled[ipam.Pool]())},
		{Key: items.DiscoveryKey("ipam-res-disco-1"), Item: items.EncodeDiscovery(filled[ipam.Discovery]())},
		{Key: items.AssociationKey("ipam-res-disco-assoc-1"), Item: items.EncodeAssociation(filled[ipam.DiscoveryAssociation]())},
		{Key: items.DiscoveredAccountKey("ipam-res-disco-1", "eu-west-1", "111122223333"), Item: items.EncodeDiscoveredAccount(filled[ipam.DiscoveredAccount]())},
		{Key: items.FoundKey("Discovery", &filled[ipam.Found]().Resource), Item: items.EncodeFound(filled[ipam.Found]()).Item},
		items.EncodeResource(filled(func(r *ipam.ResourceCIDR) { r.Type = ipam.ResourceVPC })),
		{Key: items.HistoryKey("ipam-scope-1", history), Item: items.EncodeHistory(*history)},
		{Key: items.LayoutKey(), Item: items.EncodeLayout(*filled[items.Layout]())},
		{Key: items.SampleKey("ipam-pool-1", items.Hourly, time.Unix(1_800_003_700, 0)), Item: items.EncodeSample(items.Hourly, *filled(func(s *ipam.PoolSample) { s.At = time.Unix(1_800_003_700, 0) }))},
		{Key: items.SampleKey("ipam-pool-1", items.Daily, time.Unix(1_800_003_700, 0)), Item: items.EncodeSample(items.Daily, *filled(func(s *ipam.PoolSample) { s.At = time.Unix(1_800_003_700, 0) }))},
		{Key: items.ForecastKey("ipam-pool-1"), Item: items.EncodeForecast(*filled[items.PoolForecast]())},
		{Key: items.SpaceMapKey("ipam-scope-1", ipam.IPv4), Item: items.EncodeSpaceMapHead(items.SpaceMapHead{AsOf: 1_800_000_000_000, Entries: 2, Starts: []netip.Addr{block.Addr()}})},
		{Key: items.SpaceMapRowKey("ipam-scope-1", ipam.IPv4, 1_800_000_000_000, block.Addr()), Item: items.EncodeSpaceMapRow(1_800_000_000_000, []ipam.SpaceTile{{CIDR: block, Pool: "ipam-pool-1", Entries: 1, SpaceTotals: ipam.SpaceTotals{
			Allocations: 2, FreeBlocks: 3, Resources: 4, Provisioned: ipam.Addresses{High: 0x5a, Low: 0x5b}, Allocated: ipam.Addresses{Low: 0x6a}, Held: ipam.Addresses{Low: 7}, Free: ipam.Addresses{Low: 8},
			Overlapping: ipam.Addresses{Low: 9}, Noncompliant: ipam.Addresses{Low: 10}, Unmanaged: ipam.Addresses{Low: 11},
		}}})},
		{Key: items.ScopeSummaryKey("ipam-1", "ipam-scope-1", ipam.IPv6), Item: items.EncodeSummary(*filled[items.SummaryOf[ipam.ScopeSummary]]())},
		{Key: items.NetworkSummaryKey("ipam-1"), Item: items.EncodeSummary(*filled[items.SummaryOf[ipam.NetworkSummary]]())},
		{Key: items.ChangeKey("ipam-scope-1", history), Item: items.EncodeChange(*history)},
		{Key: items.PastKey(pastBlock), Item: items.EncodePast(pastBlock)},
		{Key: items.PastKey(pastResource), Item: items.EncodePast(pastResource)},
		{Key: items.PastKey(pastNothing), Item: items.EncodePast(pastNothing)},
		{Key: items.PastBeginKey(), Item: items.EncodePastBegin(time.Unix(1_800_000_000, 0))},
		{Key: items.ResolverKey("ipam-prefix-list-resolver-1"), Item: items.EncodeResolver(filled(func(o *ipam.PrefixListResolver) { o.Rules[0].Conditions[0].CIDR = v6 }))},
		{Key: items.VersionKey("ipam-prefix-list-resolver-1", 7), Item: items.EncodeVersion(&ipam.Version{CIDRs: []netip.Prefix{block, netip.MustParsePrefix("10.0.1.0/25")}, Created: 1_800_000_000, Expires: 1_800_000_001})},
		{Key: items.VersionCIDRsKey("ipam-prefix-list-resolver-1", 7), Item: items.EncodeVersionCIDRs(&ipam.Version{CIDRs: []netip.Prefix{block, netip.MustParsePrefix("10.0.1.0/25")}, Expires: 1_800_000_001})},
		{Key: items.RestoresKey(), Item: items.EncodeRestores(items.Restores{1_700_000_000, 1_800_000_000})},
		// Keys whose items the store fills in, or that share an encoding.
		{Key: items.LiveKey("ipam-scope-1", &ipam.Resource{Type: ipam.ResourceInterface, ID: "eni-1", CIDR: block, Region: "eu-west-1"})},
		{Key: items.DiscoveryRowKey("ipam-res-disco-1")},
		{Key: items.ResolverRowKey("ipam-prefix-list-resolver-1")},
		{Key: items.MemberKey("ipam-prefix-list-resolver-1", block)},
		{Key: items.AccountKey("111122223333")},
		{Key: items.OwnedKey("111122223333", items.PoolKey("ipam-pool-1"))},
		{Key: items.RequestKey("111122223333", "r")},
		{Key: items.TokenKey("t")},
		{Key: items.SharedKey("444455556666", "ipam-pool-1")},
		{Key: items.ForeignKey("444455556666", "ipam-pool-1", block)},
		{Key: items.PendingKey("111122223333", block, "ipam-pool-alloc-1")},
		{Key: items.DeletedKey("111122223333", "vpc-1")},
		{Key: stable},
		{Key: items.GrantsKey()},
		{Key: items.OrganizationKey()},
		{Key: items.UsageKey("ipam-pool-1")},
		{Key: items.WorkKey(items.DeletePoolWork, "ipam-pool-1")},
		{Key: items.WorkKey(items.ResumeWork, "ipam-pool-1")},
		{Key: items.LiveWorkKey("ipam-scope-1", block)},
		{Key: items.SplitWorkKey(space, block)},
		{Key: items.MemberWorkKey("ipam-prefix-list-resolver-1", block)},
		{Key: items.WorkKey(items.SelectWork, "ipam-prefix-list-resolver-1")},
		{Key: items.WorkKey(items.VersionWork, "ipam-prefix-list-resolver-1")},
		{Key: items.AccountPurgeWorkKey("ipam-res-disco-1", "eu-west-1", "111122223333")},
	}
}

// The encodings of a layout are for ever: a table of it may be restored for 35 days,
// and older code reads it while a deployment is under way. A change of one raises
// [layout.Current], adds a step to [layout.Steps], and writes the new layout's golden
// with -update. The goldens of earlier layouts stay.
func TestEncodingsOfTheLayout(t *testing.T) {
	m := new(tabletest.Memory)
	for _, r := range samples() {
		item := r.Item
		if item == nil {
			item = table.Item{}
		}
		if err := m.Transact(t.Context(), []table.Write{{Op: table.OpPut, Key: r.Key, Item: item}}); err != nil {
			t.Fatal(err)
		}
	}
	got := m.Dump()
	golden := filepath.Join("testdata", fmt.Sprintf("layout-%d.golden", layout.Current))
	want, err := os.ReadFile(golden)
	if os.IsNotExist(err) && *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("an encoding of layout %d has changed. Raise layout.Current, add a step to layout.Steps, and run this test with -update.\n got: %s\nwant: %s", layout.Current, got, want)
	}
}

// A row of a scan's map keeps its tiles.
func TestSpaceMapRowsKeepTheirTiles(t *testing.T) {
	const all = math.MaxUint64
	want := []ipam.SpaceTile{
		{CIDR: block},
		{CIDR: v6, Pool: "ipam-pool-1", Entries: math.MaxInt64, SpaceTotals: ipam.SpaceTotals{Provisioned: ipam.Addresses{High: all, Low: all}, Free: ipam.Addresses{High: 1}}},
		{CIDR: netip.MustParsePrefix("2001:db9::/128"), Pool: "ipam-pool-2", SpaceTotals: ipam.SpaceTotals{Allocations: 1, FreeBlocks: 2, Resources: 3, Unmanaged: ipam.Addresses{Low: 1}}},
		{CIDR: netip.MustParsePrefix("2001:dba::/128"), Pool: "ipam-pool-1", SpaceTotals: ipam.SpaceTotals{Held: ipam.Addresses{Low: all}}},
	}
	got, err := items.DecodeSpaceMapRow(table.Row{Item: items.EncodeSpaceMapRow(1, want)})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"10.0.0.0/24 0 1 2 3 4 5 6 7 8 9 a", "x 0 1 2 3 4 5 6 7 8 9 a b", "10.0.0.0/24 1 1 2 3 4 5 6 7 8 9 a b", "10.0.0.0/24 0 1 2 3 4 5 6 7 8 9 a g", "10.0.0.0/24 0 x 2 3 4 5 6 7 8 9 a b"} {
		if tiles, err := items.DecodeSpaceMapRow(table.Row{Item: table.Item{"Pools": table.Str("[]"), "Tiles": table.Str(bad)}}); err == nil {
			t.Errorf("%q is %+v", bad, tiles)
		}
	}
}

// Each layout after the first has its step, in order.
func TestEachLayoutHasItsStep(t *testing.T) {
	if len(layout.Steps) != layout.Current-1 {
		t.Errorf("%d steps lead to layout %d, want %d", len(layout.Steps), layout.Current, layout.Current-1)
	}
	for i, s := range layout.Steps {
		if s.Layout != int64(i+2) || s.Rewrite == nil {
			t.Errorf("step %d leads to layout %d", i, s.Layout)
		}
	}
}

// Each key and encoding of the package has a sample.
func TestSamplesAreComplete(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	test, err := os.ReadFile("encodings_test.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !regexp.MustCompile(`^(Encode\w*|\w+Key)$`).MatchString(fn.Name.Name) || !fn.Name.IsExported() {
				continue
			}
			n++
			if !slices.ContainsFunc([]string{"items." + fn.Name.Name + "(", "." + fn.Name.Name + "()"}, func(call string) bool { return strings.Contains(string(test), call) }) {
				t.Errorf("%s has no sample in samples", fn.Name.Name)
			}
		}
	}
	if n < 20 {
		t.Fatalf("%d functions found; the test looks at the wrong files", n)
	}
}
