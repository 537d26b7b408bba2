package ipam_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// For every state and every act: an act that the list does not contain is
// refused.
func TestTransitions(t *testing.T) {
	type pair struct {
		from ipam.State
		act  ipam.Act
	}
	leads := map[pair]ipam.State{
		{ipam.StateCreateComplete, ipam.ActUse}:           ipam.StateCreateComplete,
		{ipam.StateCreateComplete, ipam.ActModify}:        ipam.StateModifyComplete,
		{ipam.StateCreateComplete, ipam.ActDelete}:        ipam.StateDeleteComplete,
		{ipam.StateCreateComplete, ipam.ActBeginDelete}:   ipam.StateDeleteInProgress,
		{ipam.StateModifyComplete, ipam.ActUse}:           ipam.StateModifyComplete,
		{ipam.StateModifyComplete, ipam.ActModify}:        ipam.StateModifyComplete,
		{ipam.StateModifyComplete, ipam.ActDelete}:        ipam.StateDeleteComplete,
		{ipam.StateModifyComplete, ipam.ActBeginDelete}:   ipam.StateDeleteInProgress,
		{ipam.StateDeleteInProgress, ipam.ActDelete}:      ipam.StateDeleteComplete,
		{ipam.StateDeleteInProgress, ipam.ActBeginDelete}: ipam.StateDeleteInProgress,
		{ipam.StateAssociateComplete, ipam.ActUse}:        ipam.StateAssociateComplete,
		{ipam.StateAssociateComplete, ipam.ActDelete}:     ipam.StateDisassociateComplete,
	}
	if len(ipam.States) != 6 || len(ipam.Acts) != 4 {
		t.Fatalf("%d states and %d acts; list the new ones here", len(ipam.States), len(ipam.Acts))
	}
	for _, act := range ipam.Acts {
		var admitting []string
		for _, from := range ipam.States {
			want, ok := leads[pair{from, act}]
			if ok {
				admitting = append(admitting, string(from))
			}
			if got, admitted := from.After(act); admitted != ok || got != want {
				t.Errorf("%s after act %d: %q, %t; want %q, %t", from, act, got, admitted, want, ok)
			}
			m := ipam.Meta{ID: "ipam-pool-0123456789abcdef0", State: from}
			err := m.Require(act)
			if (err == nil) != ok {
				t.Errorf("an object in %s asked for act %d: %v", from, act, err)
			}
			if err != nil && (ipam.CodeOf(err) != ipam.CodeIncorrectState || !strings.Contains(err.Error(), m.ID) || !strings.Contains(err.Error(), string(from))) {
				t.Errorf("the refusal of act %d in %s is %v", act, from, err)
			}
		}
		if got := ipam.Admitting(act); !slices.Equal(got, admitting) {
			t.Errorf("Admitting(%d) = %q, want %q", act, got, admitting)
		}
	}
	if _, ok := ipam.State("").After(ipam.ActUse); ok {
		t.Error("an object without a state can be used")
	}
}

func TestCIDRStates(t *testing.T) {
	for state, want := range map[ipam.CIDRState]struct{ holds, inPool bool }{
		ipam.CIDRPendingProvision:   {true, false},
		ipam.CIDRProvisioned:        {true, true},
		ipam.CIDRFailedProvision:    {false, false},
		ipam.CIDRPendingDeprovision: {false, true},
		ipam.CIDRDeprovisioned:      {false, false},
		ipam.CIDRFailedDeprovision:  {true, true},
	} {
		if state.Holds() != want.holds || state.InPool() != want.inPool {
			t.Errorf("a CIDR in state %s holds space: %t, is in its pool: %t", state, state.Holds(), state.InPool())
		}
	}
}

func TestSpaces(t *testing.T) {
	top := ipam.Pool{Meta: ipam.Meta{ID: "ipam-pool-a"}, Scope: "ipam-scope-s", Family: ipam.IPv4}
	child := ipam.Pool{Meta: ipam.Meta{ID: "ipam-pool-b"}, Scope: "ipam-scope-s", Family: ipam.IPv4, SourcePool: top.ID}
	six := ipam.Pool{Scope: "ipam-scope-s", Family: ipam.IPv6}
	for _, c := range []struct{ got, want ipam.SpaceID }{
		{top.Space(), "ipam-pool-a"},
		{top.SourceSpace(), "ipam-scope-s#4"},
		{six.SourceSpace(), "ipam-scope-s#6"},
		{child.SourceSpace(), "ipam-pool-a"},
	} {
		if c.got != c.want {
			t.Errorf("space %s, want %s", c.got, c.want)
		}
	}
	if ipam.KindSplit.Visible() || !ipam.KindPool.Visible() || !ipam.KindCustom.Visible() {
		t.Error("callers see splits, or do not see allocations")
	}
}
