package discover_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/discover/discovertest"
)

// clock is a time that a test moves.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func hierarchy(c *discovertest.Cloud) (*discover.Hierarchy, *clock) {
	at := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return discover.NewHierarchy(organizations.NewFromConfig(c.Config()), at.now), at
}

func TestAncestors(t *testing.T) {
	for _, c := range []struct {
		name, child string
		want        []string
	}{
		{"an account at the root", discovertest.Owner, []string{"r-f6g7"}},
		{"an account in a unit", inA, []string{"ou-f6g7-aaaaaaaa", "r-f6g7"}},
		{"an account in a unit of a unit", inC, []string{"ou-f6g7-cccccccc", "ou-f6g7-aaaaaaaa", "r-f6g7"}},
		{"a unit", "ou-f6g7-cccccccc", []string{"ou-f6g7-aaaaaaaa", "r-f6g7"}},
		{"an account outside the organisation", "999999999999", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := hierarchy(organization(false))
			got, err := h.Ancestors(t.Context(), c.child)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// Answers are kept, by account and by unit, and asked for again after their
// time.
func TestAncestorsAreKept(t *testing.T) {
	cloud := organization(false)
	h, at := hierarchy(cloud)
	asked := func(want int, child string, above ...string) {
		t.Helper()
		before := len(cloud.Made)
		got, err := h.Ancestors(t.Context(), child)
		if err != nil || !slices.Equal(got, above) || len(cloud.Made)-before != want {
			t.Errorf("%s: %v, %v with %d calls; want %v with %d", child, got, err, len(cloud.Made)-before, above, want)
		}
	}
	asked(3, inC, "ou-f6g7-cccccccc", "ou-f6g7-aaaaaaaa", "r-f6g7")
	asked(0, inC, "ou-f6g7-cccccccc", "ou-f6g7-aaaaaaaa", "r-f6g7")
	asked(1, inA, "ou-f6g7-aaaaaaaa", "r-f6g7") // its unit is known
	asked(1, "999999999999")
	asked(0, "999999999999")
	cloud.Members[0].Parent = "r-f6g7" // inC moves
	cloud.Members = append(cloud.Members, discovertest.Member{ID: "999999999999", Parent: "r-f6g7"})
	at.Time = at.Add(5*time.Minute - time.Second)
	asked(0, inC, "ou-f6g7-cccccccc", "ou-f6g7-aaaaaaaa", "r-f6g7")
	asked(1, "999999999999", "r-f6g7") // an account that joins is known after half a minute
	at.Time = at.Add(time.Second)
	asked(1, inC, "r-f6g7")
}

// A failure is returned, and kept for a moment so that it does not slow down
// every request. An earlier answer does not replace it.
func TestAncestorsFail(t *testing.T) {
	cloud := organization(false)
	h, at := hierarchy(cloud)
	if _, err := h.Ancestors(t.Context(), inA); err != nil {
		t.Fatal(err)
	}
	at.Time = at.Add(5 * time.Minute)
	cloud.Fault = func(discovertest.Call) *discovertest.Fault {
		return &discovertest.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException"}
	}
	for range 2 {
		if got, err := h.Ancestors(t.Context(), inA); err == nil || got != nil {
			t.Errorf("refused by Organizations: %v, %v", got, err)
		}
	}
	if n := len(cloud.Made); n != 3 {
		t.Errorf("%d calls, want two and the one that failed", n)
	}
	cloud.Fault = nil
	at.Time = at.Add(30 * time.Second)
	if got, err := h.Ancestors(t.Context(), inA); err != nil || len(got) != 2 {
		t.Errorf("half a minute later: %v, %v", got, err)
	}
}

// A request whose caller gave up is no failure of Organizations. A call that
// takes too long is one.
func TestAncestorsWithoutAnAnswer(t *testing.T) {
	cloud := organization(false)
	cloud.Fault = func(discovertest.Call) *discovertest.Fault { return &discovertest.Fault{Hang: true} }
	h, _ := hierarchy(cloud)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := h.Ancestors(gone, inA); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if _, err := h.Ancestors(t.Context(), inA); err == nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v, want a failure after 5 s", err, time.Since(start))
		}
	})
	cloud.Fault = nil
	if _, err := h.Ancestors(t.Context(), inA); err == nil {
		t.Error("the failure is forgotten at once")
	}
}

// parents answers ListParents with pages.
type parents struct {
	discover.HierarchyClient
	pages []*organizations.ListParentsOutput
}

func (p *parents) ListParents(context.Context, *organizations.ListParentsInput, ...func(*organizations.Options)) (*organizations.ListParentsOutput, error) {
	page := p.pages[0]
	p.pages = p.pages[1:]
	return page, nil
}

func TestPagesOfParents(t *testing.T) {
	of := func(token string, ids ...string) *organizations.ListParentsOutput {
		out := &organizations.ListParentsOutput{}
		if token != "" {
			out.NextToken = &token
		}
		for _, id := range ids {
			out.Parents = append(out.Parents, types.Parent{Id: aws.String(id)})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		pages []*organizations.ListParentsOutput
		want  []string // nil: an error
	}{
		{"an empty page first", []*organizations.ListParentsOutput{of("more"), of("", "r-f6g7")}, []string{"r-f6g7"}},
		{"none", []*organizations.ListParentsOutput{of("more"), of("")}, nil},
		{"two", []*organizations.ListParentsOutput{of("", "ou-f6g7-aaaaaaaa", "r-f6g7")}, nil},
		{"no id", []*organizations.ListParentsOutput{of("", "")}, nil},
		{"a circle", []*organizations.ListParentsOutput{of("", "ou-f6g7-aaaaaaaa"), of("", "ou-f6g7-cccccccc"), of("", "ou-f6g7-aaaaaaaa")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := discover.NewHierarchy(&parents{pages: c.pages}, time.Now).Ancestors(t.Context(), inA)
			if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestManagement(t *testing.T) {
	cloud := organization(false)
	h, at := hierarchy(cloud)
	asked := func(calls int, wantID, wantAccount string) {
		t.Helper()
		before := len(cloud.Made)
		id, account, err := h.Management(t.Context())
		if err != nil || id != wantID || account != wantAccount || len(cloud.Made)-before != calls {
			t.Errorf("%q, %q, %v with %d calls; want %q, %q with %d", id, account, err, len(cloud.Made)-before, wantID, wantAccount, calls)
		}
	}
	asked(1, "", "")
	cloud.Management = inA
	asked(1, "o-a1b2c3d4e5", inA)
	asked(0, "o-a1b2c3d4e5", inA)
	cloud.Management = inC
	at.Time = at.Add(5 * time.Minute)
	asked(1, "o-a1b2c3d4e5", inC)
	at.Time = at.Add(5 * time.Minute)
	cloud.Fault = func(discovertest.Call) *discovertest.Fault {
		return &discovertest.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException"}
	}
	if id, _, err := h.Management(t.Context()); err == nil || id != "" {
		t.Errorf("refused: %q, %v", id, err)
	}
}
