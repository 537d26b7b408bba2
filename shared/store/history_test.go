package store_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

const historyScope = "ipam-scope-0123456789abcdef0"

// historyEnv is a table for history records.
type historyEnv struct {
	table *tabletest.Memory
	now   time.Time
}

func (c *historyEnv) store(table table.Table) *store.Store {
	return store.New(table, store.Options{
		Region: "us-east-1", Now: func() time.Time { return c.now }, Tries: 3,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

func (c *historyEnv) read(t *testing.T, cidr string) (all []ipam.HistoryRecord) {
	t.Helper()
	for after := ""; ; {
		records, next, err := c.store(c.table).History(t.Context(), historyScope, netip.MustParsePrefix(cidr), after, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if after != "" && items.HistoryAfter(r) <= after {
				t.Errorf("%+v again, after %q", r, after)
			}
			all = append(all, *r)
		}
		if after = next; after == "" {
			return all
		}
	}
}

func tokenRecord(t ipam.HistoryType, id string, start, end int64) ipam.HistoryRecord {
	r := ipam.HistoryRecord{
		Type: t, Owner: ownerAccount, Region: "us-east-1", ID: id, CIDR: netip.MustParsePrefix("10.0.0.5/32"), Name: "n", VPC: "vpc-1", Start: start, End: end,
	}
	if t == ipam.HistoryInstance {
		r.ID, r.Interface, r.Name, r.Owner = "", id, "", ipam.AmazonOwner
	}
	return r
}

// A record that began and ended is one item that has ended, however often and in
// any order the two are written.
func TestHistoryIsWrittenOnce(t *testing.T) {
	var want string
	for _, order := range []string{"be", "eb", "beb", "ebe", "bbee", "ebbe", "e"} {
		c := &historyEnv{table: &tabletest.Memory{}, now: time.UnixMilli(1_800_000_000_000)}
		s := c.store(c.table)
		for _, what := range order {
			r := tokenRecord(ipam.HistoryEIP, "eipalloc-1", 1_799_999_000_000, 0)
			if what == 'e' {
				r.End = 1_799_999_500_250
			}
			if err := s.PutHistory(t.Context(), historyScope, r); err != nil {
				t.Fatalf("%s: %v", order, err)
			}
		}
		if want == "" {
			want = c.table.Dump()
			if !strings.Contains(want, "1894607500") { // three years after the end, in seconds
				t.Errorf("the expiry is not there:\n%s", want)
			}
		}
		if got := c.table.Dump(); got != want {
			t.Errorf("%s leaves\n%s\nwant\n%s", order, got, want)
		}
		fscktest.Clean(t, c.table, c.now)
	}
}

// Any call may fail, carried out or not: the table's items are the same in the
// end. A fault that is no conflict is not an answer.
func TestHistoryUnderFaults(t *testing.T) {
	records := []ipam.HistoryRecord{
		tokenRecord(ipam.HistoryInterface, "eni-1", 1000, 0), tokenRecord(ipam.HistoryInstance, "eni-1", 1000, 0),
		tokenRecord(ipam.HistoryInterface, "eni-1", 500, 1000), tokenRecord(ipam.HistoryInterface, "eni-1", 1000, 0),
	}
	good := &historyEnv{table: &tabletest.Memory{}, now: time.UnixMilli(2000)}
	traced := &tabletest.Faulty{Table: good.table}
	if err := good.store(traced).PutHistory(t.Context(), historyScope, records...); err != nil {
		t.Fatal(err)
	}
	if trace := traced.Trace(); len(trace) != 5 { // the repetition is refused once, and found by a read
		t.Errorf("calls: %v", trace)
	}
	for _, at := range traced.Trace() {
		for _, applied := range []bool{false, true} {
			for _, err := range []error{tabletest.ErrInjected, table.ErrThrottled, table.ErrConflict} {
				if applied && !errors.Is(err, tabletest.ErrInjected) {
					continue // these say that nothing was written
				}
				c := &historyEnv{table: &tabletest.Memory{}, now: good.now}
				faulty := &tabletest.Faulty{Table: c.table, Inject: func(call tabletest.Call) *tabletest.Fault {
					if call.Kind == at.Kind && call.N == at.N {
						return &tabletest.Fault{Err: err, Applied: applied}
					}
					return nil
				}}
				for range 2 { // the batch comes again if it fails
					if c.store(faulty).PutHistory(t.Context(), historyScope, records...) == nil {
						break
					}
				}
				if got, want := c.table.Dump(), good.table.Dump(); got != want {
					t.Errorf("%v at %s, carried out: %t, leaves\n%s\nwant\n%s", err, at, applied, got, want)
				}
			}
		}
	}
}

func TestHistoryIsOfOneCIDRAndOneScope(t *testing.T) {
	c := &historyEnv{table: &tabletest.Memory{}, now: time.UnixMilli(1_800_000_000_000)}
	s := c.store(c.table)
	past := tokenRecord(ipam.HistoryInterface, "eni-1", 1000, 2000)
	want := []ipam.HistoryRecord{
		tokenRecord(ipam.HistoryEIP, "eipalloc-1", 5, 0),
		tokenRecord(ipam.HistoryInstance, "eni-1", 1_799_999_999_000, 0), // two instances of a service, with different interfaces
		tokenRecord(ipam.HistoryInstance, "eni-2", 1_799_999_999_000, 0),
		tokenRecord(ipam.HistoryInterface, "eni-1", 3000, 1_799_999_999_000),
		tokenRecord(ipam.HistoryInterface, "eni-1", 1_799_999_999_000, 0),
	}
	wider := tokenRecord(ipam.HistoryVPC, "vpc-1", 5, 0)
	wider.CIDR = netip.MustParsePrefix("10.0.0.0/24")
	written := append(slices.Clone(want), past, wider)
	slices.Reverse(written)
	if err := s.PutHistory(t.Context(), historyScope, written...); err != nil {
		t.Fatal(err)
	}
	if err := s.PutHistory(t.Context(), "ipam-scope-0123456789abcdef1", tokenRecord(ipam.HistoryEIP, "eipalloc-2", 5, 0)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.read(t, "10.0.0.5/32"), want, cmpopts.EquateComparable(netip.Prefix{})); diff != "" { // the past one is past its retention, whenever TTL removes it
		t.Errorf("-got +want:\n%s", diff)
	}
	if got := c.read(t, "10.0.0.0/24"); len(got) != 1 || got[0] != wider {
		t.Errorf("the VPC's: %+v", got)
	}
	if got := c.read(t, "10.0.0.0/16"); got != nil {
		t.Errorf("a CIDR that nothing has: %+v", got)
	}
	fscktest.Clean(t, c.table, c.now)
}
