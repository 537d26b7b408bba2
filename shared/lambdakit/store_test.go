package lambdakit

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
)

func TestParseQuotas(t *testing.T) {
	half := ipam.DefaultQuotas()
	half.PoolsPerScope, half.Tags = 500, 0
	for _, c := range []struct {
		document string
		want     ipam.Quotas
		err      string
	}{
		{"", ipam.DefaultQuotas(), ""},
		{"{}", ipam.DefaultQuotas(), ""},
		{`{"pools_per_scope": 500, "tags": 0}`, half, ""},
		{`{"ipams": 1, "scopes_per_ipam": 2, "pools_per_scope": 3, "pool_depth": 4, "cidrs_per_pool": 5, "shares_per_pool": 6, "tags": 7, "discoveries": 8, "associations_per_ipam": 9, "resolvers_per_ipam": 10, "rules_per_resolver": 11, "entries_per_version": 12}`,
			ipam.Quotas{IPAMs: 1, ScopesPerIPAM: 2, PoolsPerScope: 3, PoolDepth: 4, CIDRsPerPool: 5, SharesPerPool: 6, Tags: 7, Discoveries: 8, AssociationsPerIPAM: 9, ResolversPerIPAM: 10, RulesPerResolver: 11, EntriesPerVersion: 12}, ""},
		{`{"pools": 500}`, ipam.Quotas{}, `unknown field "pools"`},
		{`{"ipams": "2"}`, ipam.Quotas{}, "string"},
		{`{"ipams": 2.5}`, ipam.Quotas{}, "2.5"},
		{`{"ipams": 0}`, ipam.Quotas{}, "ipams is 0, and the least is 1"},
		{`{"scopes_per_ipam": 1}`, ipam.Quotas{}, "scopes_per_ipam is 1, and the least is 2"},
		{`{"shares_per_pool": -1}`, ipam.Quotas{}, "shares_per_pool is -1, and the least is 0"},
		{`{"shares_per_pool": 91}`, ipam.Quotas{}, "shares_per_pool is 91, and the most is 90"},
		{`{"associations_per_ipam": 21}`, ipam.Quotas{}, "associations_per_ipam is 21, and the most is 20"},
		{`{"associations_per_ipam": 0}`, ipam.Quotas{}, "associations_per_ipam is 0, and the least is 1"},
		{`{"discoveries": -1}`, ipam.Quotas{}, "discoveries is -1, and the least is 0"},
		{`{"tags": 101}`, ipam.Quotas{}, "tags is 101, and the most is 100"},
		{`{"tags": -1}`, ipam.Quotas{}, "tags is -1, and the least is 0"},
		{`{"resolvers_per_ipam": -1}`, ipam.Quotas{}, "resolvers_per_ipam is -1, and the least is 0"},
		{`{"rules_per_resolver": 301}`, ipam.Quotas{}, "rules_per_resolver is 301, and the most is 300"},
		{`{"entries_per_version": 0}`, ipam.Quotas{}, "entries_per_version is 0, and the least is 1"},
		{`{"entries_per_version": 5001}`, ipam.Quotas{}, "entries_per_version is 5001, and the most is 5000"},
		{`{"ipams": 2} {}`, ipam.Quotas{}, "something follows"},
		{`{"ipams": 2}]`, ipam.Quotas{}, "something follows"},
		{`{"ipams": 2`, ipam.Quotas{}, "unexpected EOF"},
		{`[]`, ipam.Quotas{}, "array"},
	} {
		got, err := ParseQuotas(c.document)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ParseQuotas(%s) = %+v, %v; want %+v, %q", c.document, got, err, c.want, c.err)
		}
	}
}

// The opened store derives ids by the restores of its table.
func TestOpenStoreReadsTheRestores(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked += string(body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(w, `{"Responses": {"registry": [
			{"PK": {"S": "LAYOUT"}, "SK": {"S": "META"}, "Layout": {"N": "1"}},
			{"PK": {"S": "RESTORES"}, "SK": {"S": "META"}, "Restores": {"S": "[1800000000]"}}]}, "UnprocessedKeys": {}}`)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		EnvTable: "registry", EnvHomeRegion: "us-east-1", EnvQuotas: "", "AWS_ENDPOINT_URL_DYNAMODB": server.URL,
		"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	s, err := OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Allocate(t.Context(), store.Allocate{
		Token: store.Token{Account: "111122223333", Operation: "AllocateIpamPoolCidr", Value: "t"}, Pool: "ipam-pool-0123456789abcdef0",
		Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("10.0.0.0/24")},
	})
	if ipam.CodeOf(err) != ipam.CodeInvalidPoolIDNotFound {
		t.Errorf("no pool is there, and the answer is %v", err)
	}
	for _, id := range []string{"ipam-pool-alloc-d59a77851561bc9de58deeab52bd68e2", "ipam-pool-alloc-dd11e2e82926392176cf1fd24afcb57c"} {
		if !strings.Contains(asked, "ALLOC#"+id) {
			t.Errorf("%s is not asked for: %s", id, asked)
		}
	}
}

// The opened store calls the endpoint, table and Region of the environment,
// with its credentials.
func TestOpenStore(t *testing.T) {
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		credential, _, _ = strings.Cut(credential, "/aws4_request")
		parts := strings.Split(credential, "/")
		body := make([]byte, r.ContentLength)
		r.Body.Read(body)
		calls = append(calls, fmt.Sprint(parts[0], parts[len(parts)-2:], r.Header.Get("X-Amz-Security-Token"), strings.Contains(string(body), `"registry"`)))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(w, `{"Responses": {}, "UnprocessedKeys": {}}`)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		EnvTable: "registry", EnvHomeRegion: "ap-northeast-1", EnvQuotas: `{"ipams": 7}`,
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_DYNAMODB": server.URL,
	} {
		t.Setenv(name, value)
	}
	s, err := OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Region() != "ap-northeast-1" || s.Quotas().IPAMs != 7 || s.Quotas().Tags != ipam.DefaultQuotas().Tags {
		t.Errorf("Region %s, quotas %+v", s.Region(), s.Quotas())
	}
	if _, err := s.Grants(t.Context()); err != nil {
		t.Error(err)
	}
	// The guard reads the layout of the table, which is new, and writes it; then come the grants.
	if want := "AKID[ap-northeast-1 dynamodb]sessiontrue"; !slices.Equal(calls, []string{want, want, want}) {
		t.Errorf("called as %q, want %q three times", calls, want)
	}
	if _, err := s.Grants(t.Context()); err != nil || len(calls) != 4 {
		t.Errorf("%d calls, %v; the layout is read once a minute", len(calls), err)
	}

	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", "") // the endpoint of all services counts next
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	if s, err = OpenStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Grants(t.Context()); err != nil || len(calls) != 7 {
		t.Errorf("%d calls, %v", len(calls), err)
	}

	for value, want := range map[string]bool{"": true, "true": true, "false": false} {
		t.Setenv(EnvIgnoreDefaultVPCs, value)
		if s, err := OpenStore(t.Context()); err != nil || s.IgnoresDefaultVPCs() != want {
			t.Errorf("%s=%s: %v, %v", EnvIgnoreDefaultVPCs, value, s, err)
		}
	}
	for name, bad := range map[string]string{EnvTable: "", EnvHomeRegion: "", EnvQuotas: "{", EnvIgnoreDefaultVPCs: "perhaps"} {
		t.Run("without "+name, func(t *testing.T) {
			t.Setenv(name, bad)
			if _, err := OpenStore(t.Context()); err == nil {
				t.Error("no error")
			}
		})
	}
}
