package listing

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/wildcard"
)

// The filters on pools admit the same pools as a comparison of the members one by one.
func TestMatchAgreesWithTheMembers(t *testing.T) {
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
		p := types.IpamPool{Locale: new(pick("None", "us-east-1")), PoolDepth: new(int32(1 + r.IntN(2))), AutoImport: new(r.IntN(2) == 0)}
		if r.IntN(2) == 0 {
			p.Description = new(pick("", "ab", "None"))
		}
		for _, k := range []string{"a", "b"} {
			if r.IntN(2) == 0 {
				p.Tags = append(p.Tags, types.Tag{Key: new(k), Value: new(pick("", "ab"))})
			}
		}
		var filters []types.Filter
		want := true
		for range r.IntN(3) {
			f := types.Filter{Name: new(pick(names...))}
			one := false
			for range 1 + r.IntN(2) {
				v := pick("", "*", "?", "a?", "a", "None", "1", "true", "us*", "0")
				f.Values = append(f.Values, v)
				for _, have := range member[*f.Name](&p) {
					one = one || wildcard.ParseEscaped(v).Match(have)
				}
			}
			filters = append(filters, f)
			want = want && one
		}
		match, err := Filters[types.IpamPool]{}.Match(filters)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := match(&p); got != want {
			b, _ := json.Marshal([]any{p, filters})
			t.Fatalf("%v, want %v: %s", got, want, b)
		}
		if want && len(filters) > 1 {
			matched++
		}
	}
	if matched < 100 {
		t.Errorf("only %d pools passed two filters: the test tries too little", matched)
	}
}

func given(s *string) []string {
	if s == nil {
		return nil
	}
	return []string{*s}
}

func TestTextsLongerThanMembersAreRefused(t *testing.T) {
	long := strings.Repeat("ü", 512)
	for _, f := range []types.Filter{
		{Name: new("description"), Values: []string{long}},
		{Name: new("tag:" + strings.Repeat("k", 508)), Values: []string{"x"}},
	} {
		if _, err := (Filters[types.IpamPool]{}).Match([]types.Filter{f}); err != nil {
			t.Errorf("%.20s: %v", *f.Name, err)
		}
	}
	for want, f := range map[string]types.Filter{
		"for parameter Filter.2.Value.3 is invalid. It has 513 characters. Use at most 512.": {Name: new("description"), Values: []string{"a", "b", long + "x"}},
		"for parameter Filter.2.Name is invalid. It has 513 characters. Use at most 512.":    {Name: new("tag:" + strings.Repeat("k", 509)), Values: []string{"x"}},
	} {
		_, err := Filters[types.IpamPool]{}.Match([]types.Filter{{Name: new("locale"), Values: []string{"None"}}, f})
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := CheckText("X", nil); err != nil {
		t.Errorf("no text: %v", err)
	}
}

// An output whose Tags are no list of tags has no filters on them.
func TestFiltersOfTagsThatAreNoList(t *testing.T) {
	for _, name := range []string{"tag:a", "tag-key"} {
		_, err := Filters[types.IpamDiscoveredPublicAddress]{}.Match([]types.Filter{{Name: &name, Values: []string{"x"}}})
		if ipam.CodeOf(err) != ipam.CodeInvalidParameterValue || strings.Contains(err.Error(), "tag-key, ") || strings.HasSuffix(err.Error(), "tag-key.") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
