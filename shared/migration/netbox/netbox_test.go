package netbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/migration/netbox"
)

// server is a NetBox with the lists of testdata, in pages of at most two objects. It
// refuses every third request for lack of capacity.
type server struct {
	*httptest.Server
	t        *testing.T
	lists    map[string][]json.RawMessage
	requests int
}

func newServer(t *testing.T) *server {
	s := &server{t: t, lists: map[string][]json.RawMessage{}}
	for _, name := range []string{"vrfs", "aggregates", "prefixes"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var list struct{ Results []json.RawMessage }
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		s.lists["/netbox/api/ipam/"+name+"/"] = list.Results
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests++
	if r.Header.Get("Authorization") != "Token 0123" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if s.requests%3 == 0 {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	all, ok := s.lists[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	end := min(offset+min(limit, 2), len(all))
	answer := map[string]any{"count": len(all), "previous": nil, "next": nil, "results": all[offset:end]}
	if end < len(all) {
		answer["next"] = fmt.Sprintf("http://inside.example%s?limit=2&offset=%d", r.URL.Path, end)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.t.Error(err)
	}
}

// A NetBox with VRFs, aggregates, containers, roles, tenants and custom fields, whose
// answers come in pages and sometimes not at once.
func TestRead(t *testing.T) {
	s := newServer(t)
	var waits []time.Duration
	var progress []string
	c := &netbox.Client{
		URL: s.URL + "/netbox/", Token: "0123",
		Sleep:    func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
		Progress: func(done, total int) { progress = append(progress, fmt.Sprint(done, "/", total)) },
	}
	d, err := c.Read(t.Context(), netbox.Options{AccountField: "aws_account", LocaleField: "aws_region", Top: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/document.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, &b)
	}
	if len(waits) == 0 || waits[0] != 7*time.Second || len(progress) < 5 || progress[len(progress)-1] != "13/13" {
		t.Errorf("waited %v, progress %v", waits, progress)
	}

	current := &migration.Deployment{Account: "111122223333", HomeRegion: "eu-west-1", Quotas: ipam.DefaultQuotas()}
	current.IPAM = &migration.IPAM{OperatingRegions: []string{"eu-west-1"}}
	current.Scopes = []*migration.Scope{{Name: migration.PrivateScope, ID: "ipam-scope-1"}}
	plan := migration.NewPlan(current, d, migration.Options{OtherAccounts: true})
	var findings []string
	for _, f := range plan.Findings {
		findings = append(findings, fmt.Sprintf("%d %s %s", f.Line, f.Kind, f.Object))
	}
	if diff := cmp.Diff([]string{"9 account 10.0.2.0/24", "10 host-bits 10.9.9.9/24", "12 no-pool 172.16.0.0/24", "13 duplicate 10.0.0.0/24"}, findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct{ url, token, words string }{
		{s.URL + "/netbox", "4567", "token"}, {s.URL, "0123", "without /api"}, {"http://127.0.0.1:1", "0123", "refused"}, {":", "0123", "missing protocol"},
	} {
		n := &netbox.Client{URL: c.url, Token: c.token, Sleep: func(context.Context, time.Duration) error { return nil }}
		if _, err := n.Read(t.Context(), netbox.Options{}); err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), c.token) {
			t.Errorf("%s: error %v, want %s", c.url, err, c.words)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := &netbox.Client{URL: "http://127.0.0.1:1", Sleep: func(context.Context, time.Duration) error { cancel(); return ctx.Err() }}
	if _, err := n.Read(ctx, netbox.Options{}); err == nil {
		t.Error("no error after the context's end")
	}
}

// Tokens of NetBox 4.5 and later have another scheme.
func TestNewToken(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		fmt.Fprint(w, `{"count": 0, "next": null, "results": []}`)
	}))
	t.Cleanup(s.Close)
	if d, err := (&netbox.Client{URL: s.URL, Token: "nbt_k.s"}).Read(t.Context(), netbox.Options{}); err != nil || len(d.Scopes) != 0 || got != "Bearer nbt_k.s" {
		t.Errorf("%+v, %v, %q", d, err, got)
	}
}
