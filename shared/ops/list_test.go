package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// naive is the meaning of a filter's value, one character at a time.
func naive(pattern, s []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	switch c := pattern[0]; {
	case c == '*':
		for i := range len(s) + 1 {
			if naive(pattern[1:], s[i:]) {
				return true
			}
		}
		return false
	case c == '?':
		return len(s) > 0 && naive(pattern[1:], s[1:])
	case c == '\\' && len(pattern) > 1 && strings.ContainsRune(`*?\`, pattern[1]):
		return len(s) > 0 && s[0] == pattern[1] && naive(pattern[2:], s[1:])
	default:
		return len(s) > 0 && s[0] == c && naive(pattern[1:], s[1:])
	}
}

// words calls f with all texts of at most n of the letters.
func words(letters string, n int, f func(string)) {
	f("")
	if n == 0 {
		return
	}
	for _, l := range letters {
		words(letters, n-1, func(rest string) { f(string(l) + rest) })
	}
}

func TestPatternsMatchLikeTheNaiveMatcher(t *testing.T) {
	texts := map[string]bool{}
	words(`aü*\`, 3, func(s string) { texts[s] = true })
	words(`aü*?\`, 4, func(p string) {
		compiled := parsePatterns([]string{p})
		for s := range texts {
			if got, want := compiled.match(s), naive([]rune(p), []rune(s)); got != want {
				t.Fatalf("%q on %q: %v, want %v", p, s, got, want)
			}
		}
	})
	if parsePatterns([]string{"A*", "x"}).match("a1") || !parsePatterns([]string{"A*", "x"}).match("x") {
		t.Error("case or the second value is not as it should be")
	}
}

// Filters on pools, compared with reading the members one by one.
func TestFiltersAgreeWithTheNaiveOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	member := map[string]func(*types.IpamPool) []string{
		"description":                   func(p *types.IpamPool) []string { return given(p.Description) },
		"locale":                        func(p *types.IpamPool) []string { return given(p.Locale) },
		"pool-depth":                    func(p *types.IpamPool) []string { return []string{fmt.Sprint(*p.PoolDepth)} },
		"auto-import":                   func(p *types.IpamPool) []string { return []string{fmt.Sprint(*p.AutoImport)} },
		"allocation-min-netmask-length": func(p *types.IpamPool) []string { return nil },
		"tag-key": func(p *types.IpamPool) (keys []string) {
			for _, t := range p.Tags {
				keys = append(keys, *t.Key)
			}
			return keys
		},
		"tag:a": func(p *types.IpamPool) (values []string) {
			for _, t := range p.Tags {
				if *t.Key == "a" {
					values = append(values, *t.Value)
				}
			}
			return values
		},
	}
	var names []string
	for n := range member {
		names = append(names, n)
	}
	matched := 0
	for range 20_000 {
		p := types.IpamPool{Locale: ptr(pick("None", "us-east-1")), PoolDepth: ptr(int32(1 + r.IntN(2))), AutoImport: ptr(r.IntN(2) == 0)}
		if r.IntN(2) == 0 {
			p.Description = ptr(pick("", "ab", "None"))
		}
		for _, k := range []string{"a", "b"} {
			if r.IntN(2) == 0 {
				p.Tags = append(p.Tags, types.Tag{Key: ptr(k), Value: ptr(pick("", "ab"))})
			}
		}
		var filters []types.Filter
		want := true
		for range r.IntN(3) {
			f := types.Filter{Name: ptr(pick(names...))}
			one := false
			for range 1 + r.IntN(2) {
				v := pick("", "*", "?", "a?", "a", "None", "1", "true", "us*", "0")
				f.Values = append(f.Values, v)
				for _, have := range member[*f.Name](&p) {
					one = one || naive([]rune(v), []rune(have))
				}
			}
			filters = append(filters, f)
			want = want && one
		}
		match, err := derived[types.IpamPool]{}.filter(filters)
		if err != nil {
			t.Fatal(err)
		}
		if got := match(&p); got != want {
			b, _ := json.Marshal([]any{p, filters})
			t.Fatalf("%v, want %v: %s", got, want, b)
		}
		if want && len(filters) > 1 {
			matched++
		}
	}
	if matched < 100 {
		t.Errorf("only %d pools met two filters: the test tries too little", matched)
	}
}

func given(s *string) []string {
	if s == nil {
		return nil
	}
	return []string{*s}
}

// The size that a page is measured by is never less than what the answer takes,
// in either protocol, and not far more for ordinary texts.
func TestEncodedSizeIsAnUpperBound(t *testing.T) {
	answer := func(name string, out any) (xml, escaped int) {
		x, err := ec2query.Encode(name, "id", out)
		if err != nil {
			t.Fatal(err)
		}
		j, err := awsjson.Encode(name, out)
		if err != nil {
			t.Fatal(err)
		}
		e, err := json.Marshal(string(j)) // as Lambda escapes an answer's body, and more
		if err != nil {
			t.Fatal(err)
		}
		return len(x), len(e)
	}
	texts := []string{"", "plain text", `"\<>&'`, "\x00\x01\t\n\r", "日本語 ü", string([]byte{0xff, 0xfe}), "\uFFFD\u2028", strings.Repeat(`"`, 1000)}
	for _, o := range New(nil, nil).Operations() {
		if !o.Paginated {
			continue
		}
		model, _ := schema.Lookup(o.Name)
		for _, text := range texts {
			out := reflect.New(o.OutType)
			wiretest.Fill(out.Interface(), schema.At(model.Output))
			var list reflect.Value
			for f := range fields(o.OutType) {
				if f.Type.Kind() == reflect.Slice {
					list = out.Elem().FieldByIndex(f.Index)
				}
			}
			for i := range list.Len() {
				setTexts(list.Index(i), text)
			}
			size := 0
			for i := range list.Len() {
				size += encodedSize(list.Index(i))
			}
			xml, escaped := answer(o.Name, out.Interface())
			list.SetZero()
			xml0, escaped0 := answer(o.Name, out.Interface())
			if most := max(xml-xml0, escaped-escaped0); most > size {
				t.Errorf("%s with %q: %d bytes, measured as %d", o.Name, text, most, size)
			} else if text == "plain text" && size > most*3/2 {
				t.Errorf("%s with %q: %d bytes, measured as %d, which is far too much", o.Name, text, most, size)
			}
		}
	}
}

// setTexts sets all strings in v that are not enumerations.
func setTexts(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		setTexts(v.Elem(), text)
	case reflect.Struct:
		for f := range fields(v.Type()) {
			setTexts(v.FieldByIndex(f.Index), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			setTexts(v.Index(i), text)
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(text)
		}
	}
}

// A page ends after so many objects, met or not, and the next one goes on.
func TestPageEndsAfterSoManyObjects(t *testing.T) {
	ctx := registry.WithCaller(context.Background(), registry.Caller{Account: "111122223333"})
	numbers := func(from int) list[int] {
		return func(yield func(entry[int], error) bool) {
			for i := from; i < 2*maxScan+10; i++ {
				if !yield(entry[int]{object: &i, at: []string{fmt.Sprint(i)}}, nil) {
					return
				}
			}
		}
	}
	in := ec2.DescribeTagsInput{}
	var token *string
	var found, sizes []int
	for {
		p, err := newPage(ctx, "DescribeTags", in, nil, token, 1000)
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		if p.after != nil {
			fmt.Sscan(p.after[0], &from)
			from++
		}
		page, next, err := collect(p, numbers(from), func(i *int) int { return *i }, func(i *int) bool { return *i == 7 || *i == 2*maxScan })
		if err != nil {
			t.Fatal(err)
		}
		found, sizes = append(found, page...), append(sizes, len(page))
		if token = next; next == nil {
			break
		}
	}
	if fmt.Sprint(found, sizes) != fmt.Sprint([]int{7, 2 * maxScan}, []int{1, 0, 1}) {
		t.Errorf("found %v in pages of %v", found, sizes)
	}
}

// A chain is its parts, one after the other: read whole, or in pages from a position
// on, up to what cannot be read; and no part is read far ahead of what is wanted.
func TestChainIsItsParts(t *testing.T) {
	type object struct{ part, n int }
	errBroken := errors.New("broken")
	r := rand.New(rand.NewPCG(3, 4))
	failed := 0
	for range 300 {
		sizes := make([]int, r.IntN(40))
		broken := r.IntN(40) // of this part the second object cannot be read, if there are both
		var want []object
		var wantErr error
		for i := range sizes {
			if r.IntN(2) == 0 {
				sizes[i] = r.IntN(4)
			}
			for n := range sizes[i] {
				if i == broken && n == 1 {
					wantErr = errBroken
				}
				if wantErr == nil {
					want = append(want, object{i, n})
				}
			}
		}
		var reads atomic.Int32
		from := func(first, after int) list[object] {
			return chain(func(yield func(part[object], error) bool) {
				for i := first; i < len(sizes); i++ {
					p := part[object]{
						none: []string{fmt.Sprint(i + 1), "0"},
						at:   func(o *object) []string { return []string{fmt.Sprint(o.part), fmt.Sprint(o.n + 1)} },
						next: func(after string) ([]*object, string, error) {
							reads.Add(1)
							n := 0
							fmt.Sscan(after, &n)
							switch {
							case i == broken && n == 1 && sizes[i] > 1:
								return nil, "", errBroken
							case n >= sizes[i]:
								return nil, "", nil
							case n+1 == sizes[i]:
								return []*object{{i, n}}, "", nil
							}
							return []*object{{i, n}}, fmt.Sprint(n + 1), nil
						},
					}
					if i == first && after > 0 {
						p.after = fmt.Sprint(after)
					}
					if !yield(p, nil) {
						return
					}
				}
			})
		}
		for _, size := range []int{1, 1 + r.IntN(9), 1000} {
			var got []object
			var err error
			first, after := 0, 0
			for more := true; more && err == nil; {
				looked := 0
				more = false
				reads.Store(0)
				for e, failure := range from(first, after) {
					if err = failure; err != nil {
						break
					}
					if e.object != nil {
						got = append(got, *e.object)
					}
					fmt.Sscan(strings.Join(e.at, " "), &first, &after)
					if looked++; looked == size {
						more = true
						break
					}
				}
				if most := int32(2*looked + 1); reads.Load() > most {
					t.Fatalf("of %v, %d reads for %d", sizes, reads.Load(), looked)
				}
			}
			if !slices.Equal(got, want) || !errors.Is(err, wantErr) {
				t.Fatalf("of %v, %d broken, in pages of %d: %v, %v; want %v, %v", sizes, broken, size, got, err, want, wantErr)
			}
		}
		if wantErr != nil {
			failed++
		}
	}
	if failed < 20 {
		t.Errorf("only %d could not be read to the end: the test tries too little", failed)
	}
}

// Where a page ends in what is empty, its token is one to go on from.
func TestPositionsOfEmptyParts(t *testing.T) {
	ctx := registry.WithCaller(context.Background(), registry.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:root"})
	o := service{store: store.New(&tabletest.Memory{}, store.Options{Region: "us-east-1"})}
	r := New(o.store, registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil))
	made, err := r.Call(ctx, "CreateIpam", &ec2.CreateIpamInput{})
	if err != nil {
		t.Fatal(err)
	}
	scope := made.(*ec2.CreateIpamOutput).Ipam.PrivateDefaultScopeId
	pool, err := r.Call(ctx, "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"})
	if err != nil {
		t.Fatal(err)
	}
	id := pool.(*ec2.CreateIpamPoolOutput).IpamPool.IpamPoolId
	if _, err := r.Call(ctx, "ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: id, Cidr: ptr("10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range o.allAllocations(ctx, place{}, 0) {
		if at, ok := parsePlace(e.at); err != nil || !ok || at.pool != *id {
			t.Errorf("an empty pool is at %q, %v", e.at, err)
		}
		n++
	}
	for e, err := range o.resources(ctx, *scope, []netip.Prefix{ipam.IPv4.All(), netip.MustParsePrefix("fd80::/48")}, nil, 0) {
		if after, wrong := (page{after: e.at}).afterResource(*scope); err != nil || wrong != nil || after == nil {
			t.Errorf("an empty region is at %q, %v", e.at, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d positions, want 3", n)
	}
}

// A token that somebody makes up for a place in another account's pool shows
// nothing of it.
func TestMadeUpPlaceShowsNothingOfAnothers(t *testing.T) {
	s := store.New(&tabletest.Memory{}, store.Options{Region: "us-east-1"})
	r := New(s, registry.NewGrants([]registry.Grant{{Pattern: "*", Class: registry.Administer}}, nil, 0, nil))
	as := func(account string) context.Context {
		return registry.WithCaller(context.Background(), registry.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root"})
	}
	call := func(ctx context.Context, name string, in any) any {
		out, err := r.Call(ctx, name, in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	victim, forger := as("111122223333"), as("444455556666")
	scope := call(victim, "CreateIpam", &ec2.CreateIpamInput{}).(*ec2.CreateIpamOutput).Ipam.PrivateDefaultScopeId
	pool := call(victim, "CreateIpamPool", &ec2.CreateIpamPoolInput{IpamScopeId: scope, AddressFamily: "ipv4"}).(*ec2.CreateIpamPoolOutput).IpamPool.IpamPoolId
	call(victim, "ProvisionIpamPoolCidr", &ec2.ProvisionIpamPoolCidrInput{IpamPoolId: pool, Cidr: ptr("10.0.0.0/8")})
	call(victim, "AllocateIpamPoolCidr", &ec2.AllocateIpamPoolCidrInput{IpamPoolId: pool, NetmaskLength: ptr(int32(24))})
	for ctx, want := range map[context.Context]int{victim: 1, forger: 0} {
		p, err := newPage(ctx, "DescribeIpamPoolAllocations", ec2.DescribeIpamPoolAllocationsInput{}, nil, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		in := ec2.DescribeIpamPoolAllocationsInput{NextToken: p.token([]string{*pool, "0.0.0.0/0"})}
		if out := call(ctx, "DescribeIpamPoolAllocations", &in).(*ec2.DescribeIpamPoolAllocationsOutput); len(out.IpamPoolAllocations) != want {
			t.Errorf("%s sees %d allocations, want %d", registry.CallerFrom(ctx).Account, len(out.IpamPoolAllocations), want)
		}
		p, err = newPage(ctx, "DescribeTags", ec2.DescribeTagsInput{}, nil, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		call(ctx, "DescribeTags", &ec2.DescribeTagsInput{NextToken: p.token([]string{*pool, "0.0.0.0/0", "", ""})})
	}
}

// What leads to a digest: members in their order, absent and empty alike, and
// nothing that could be taken for something else.
func TestDigestTellsRequestsApart(t *testing.T) {
	text := func(s string) *string { return &s }
	same := []any{
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: nil},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{}},
	}
	if digest(same[0]) != digest(same[1]) {
		t.Error("no list and an empty one differ")
	}
	if digest(same[0]) != digest(&ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), ClientToken: text("t"), DryRun: new(bool)}) {
		t.Error("a pointer, a ClientToken or a DryRun tells requests apart")
	}
	if digest(ec2.DescribeIpamsInput{}) != digest(ec2.DescribeIpamsInput{MaxResults: new(int32), NextToken: text("t"), DryRun: new(bool)}) {
		t.Error("pages of a list are told apart")
	}
	different := []any{
		same[0],
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), Description: text("")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), Description: text("x")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a}Description{x")},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text(`a"}Description{"x`)},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"x", "y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"y", "x"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), AllowedCidrs: []string{"x][y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), DisallowedCidrs: []string{"x", "y"}},
		ec2.AllocateIpamPoolCidrInput{IpamPoolId: text("a"), PreviewNextCidr: new(bool)},
	}
	seen := map[string]int{}
	for i, in := range different {
		if j, ok := seen[digest(in)]; ok {
			t.Errorf("requests %d and %d have the same digest", j, i)
		}
		seen[digest(in)] = i
	}
	if digest("ab", "c") == digest("a", "bc") {
		t.Error("texts run into one another")
	}
	p, err := newPage(context.Background(), "A", same[0], nil, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newPage(context.Background(), "B", same[0], nil, p.token([]string{"x"}), 1); err == nil {
		t.Error("a token leads on with another operation")
	}
}

// What was read by id goes on behind a position, whether that is still there or
// not.
func TestReadByIDGoesOnBehindAPosition(t *testing.T) {
	var pools []*ipam.Pool
	var as allocations
	for _, id := range []string{"b", "d", "f"} {
		pools = append(pools, &ipam.Pool{Meta: ipam.Meta{ID: id}})
		as = append(as, &ipam.Allocation{Pool: id, Taken: ipam.Taken{AllocationID: id, CIDR: netip.MustParsePrefix("10.0.0.0/8")}})
	}
	for after, want := range map[string]string{"": "bdf", "b": "df", "c": "df", "f": "", "g": ""} {
		got, gotAllocations := "", ""
		for e := range (service{}).pools().behind(after, pools) {
			got += e.object.ID
		}
		for e := range as.behind(place{pool: after, cidr: netip.MustParsePrefix("10.0.0.0/8")}) {
			gotAllocations += e.object.AllocationID
		}
		if got != want || gotAllocations != want {
			t.Errorf("behind %q: pools %q, allocations %q; want %q", after, got, gotAllocations, want)
		}
	}
}
