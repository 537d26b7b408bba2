package migration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/ops/opstest"
)

// An import that breaks off at any call, before the deployment has the call or after, and
// is then repeated, gives the same content as one that does not, and nothing twice.
func TestImportBrokenOffAtEachCall(t *testing.T) {
	whole := newEnv(t)
	whole.importAll(readJSON(t, content))
	want, calls := exportJSON(t, &whole.read().Document), whole.Calls()
	step := 1
	if testing.Short() {
		step = 11
	}
	broken := 0
	for _, kind := range []opstest.Fault{opstest.NotApplied, opstest.AnswerLost} {
		for n := 1; n <= calls; n += step {
			t.Run(fmt.Sprintf("call %d, fault %d", n, kind), func(t *testing.T) {
				e := newEnv(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				left := n
				e.Cut(func(string) opstest.Fault {
					if left--; left > 0 {
						return opstest.NoFault
					}
					cancel()
					return kind
				})
				importer := e.importer()
				importer.Parallel = 3
				if _, err := importer.Import(ctx, readJSON(t, content)); err != nil {
					broken++
				}
				e.Cut(nil)
				e.Settle()
				e.importAll(readJSON(t, content))
				e.clean()
				if diff := cmp.Diff(want, exportJSON(t, &e.read().Document)); diff != "" {
					t.Errorf("the content differs (-whole +repeated):\n%s", diff)
				}
			})
		}
	}
	if broken < calls/step {
		t.Errorf("%d imports broke off", broken)
	}
}

// A call that fails is repeated, with the same client token: an import goes on although
// every call of an operation that changes something is cut once.
func TestEachCallCutOnce(t *testing.T) {
	for _, kind := range []opstest.Fault{opstest.NotApplied, opstest.AnswerLost} {
		e := newEnv(t)
		cut := false
		e.Cut(func(operation string) opstest.Fault {
			if strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "Describe") {
				return opstest.NoFault
			}
			if cut = !cut; cut {
				return kind
			}
			return opstest.NoFault
		})
		importer := e.importer()
		importer.Parallel = 1
		result, err := importer.Import(t.Context(), readJSON(t, `{"format": "cadastre-ipam-1", "ipam": {"tags": {"a": "b"}, "excludedUnits": ["o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"]}, "scopes": [{"name": "private", "pools": [
			{"name": "p", "family": "ipv4", "cidrs": ["10.0.0.0/8"], "shares": ["444455556666"], "allocations": [{"cidr": "10.0.0.0/24"}, {"cidr": "10.0.1.0/24"}]},
			{"name": "p", "source": "p", "family": "ipv4"}]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Findings) != 1 || result.Findings[0].Kind != migration.KindDuplicate || result.Done != 7 {
			t.Errorf("%d steps done, findings %v", result.Done, result.Findings)
		}
		e.clean()
	}
}

// An object that a user deletes after an import comes back with the next one, although
// the client token of its creation is still known.
func TestDeletedObjectComesBack(t *testing.T) {
	e := newEnv(t)
	e.importAll(readJSON(t, content))
	want := exportJSON(t, &e.read().Document)
	e.release("six", "2001:db8::/64")
	if again := e.importAll(readJSON(t, content)); again.Done < 1 {
		t.Errorf("%d steps", again.Done)
	}
	e.clean()
	if diff := cmp.Diff(want, exportJSON(t, &e.read().Document)); diff != "" {
		t.Error(diff)
	}
}

// A step that the deployment refuses is a finding, and so is each step that depends on it.
// All other steps are done.
func TestRefusedSteps(t *testing.T) {
	e := newEnv(t)
	e.importAll(readCSV(t, "type,pool,cidr\nipam,,\npool,corp,10.0.0.0/8\n"))
	document := readCSV(t, "type,pool,source,cidr\n,corp,,10.1.0.0/16\npool,low,corp,10.2.0.0/16\n,low,,10.2.0.0/24\n,corp,,10.3.0.0/16\n")
	theirs := []string{"10.1.128.0/17", "10.2.7.0/24"}
	importer := e.importer()
	read := importer.Read
	importer.Read = func(ctx context.Context) (*migration.Deployment, error) { // another caller is faster than the import
		d, err := read(ctx)
		if err == nil {
			p := d.Scopes[0].Pools[0]
			p.Allocations = slices.DeleteFunc(p.Allocations, func(a *migration.Allocation) bool { return slices.Contains(theirs, a.CIDR) })
		}
		return d, err
	}
	api := e.api(account)
	pool := e.read().Scopes[0].Pools[0].ID
	for _, cidr := range theirs {
		if _, err := api.EC2.AllocateIpamPoolCidr(t.Context(), &ec2.AllocateIpamPoolCidrInput{IpamPoolId: &pool, Cidr: &cidr}); err != nil {
			t.Fatal(err)
		}
	}
	result, err := importer.Import(t.Context(), document)
	if err != nil || result.Done != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	var got []string
	for _, f := range result.Findings {
		got = append(got, fmt.Sprint(f.Line, " ", f.Kind, " ", f.Object))
	}
	if diff := cmp.Diff([]string{"2 refused 10.1.0.0/16", "3 refused 10.2.0.0/16", "4 refused 10.2.0.0/24"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%v", diff, result.Findings)
	}
	e.clean()
}
