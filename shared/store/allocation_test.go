package store_test

import (
	"context"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/google/go-cmp/cmp"
)

// Two changes of one allocation run at once. The change written second was
// decided on the earlier state, and does not undo the change written first.
func TestAllocationModifiedAtOnce(t *testing.T) {
	describe := func(text string) func(*ipam.Allocation) error {
		return func(a *ipam.Allocation) error { a.Description = text; return nil }
	}
	tag := func(a *ipam.Allocation) error { a.Tags = ipam.Tags{"new": "v"}; return nil }
	kept, added := ipam.Tags{"k": "v"}, ipam.Tags{"new": "v"}
	for _, c := range []struct {
		name        string
		before      string // the description
		first, by   func(*ipam.Allocation) error
		description string
		tags        ipam.Tags
	}{
		{"tags by a description", "d", tag, describe("new"), "new", added},
		{"tags by the first description", "", tag, describe("new"), "new", added},
		{"tags by the end of the description", "d", tag, describe(""), "", added},
		{"a description by tags", "d", describe("new"), tag, "new", added},
		{"a description by a description", "d", describe("new"), describe("other"), "new", kept},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newPoolEnv(t)
			modify := func(ctx context.Context, table table.Table, change func(*ipam.Allocation) error) {
				must(l.store(table).ModifyAllocation(ctx, l.alloc.AllocationID, change))(t)
			}
			modify(t.Context(), l.table, describe(c.before))
			modify(t.Context(), &overtaken{Table: l.table, by: func() { modify(t.Context(), l.table, c.by) }}, c.first)
			for _, a := range must(l.store(l.table).AllocationsByID(t.Context(), []string{l.alloc.AllocationID}))(t) {
				if diff := cmp.Diff([]any{c.description, c.tags}, []any{a.Description, a.Tags}); diff != "" {
					t.Errorf("description and tags (-want +got):\n%s", diff)
				}
			}
		})
	}
}
