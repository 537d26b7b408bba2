package stacks

import (
	"strings"
	"testing"
)

// Two deployments of an account and Region have different statement ids, and EventBridge
// takes each of them: up to 64 letters, digits and dashes.
func TestStatementIDs(t *testing.T) {
	long := strings.Repeat("a", 63)
	seen := map[string]string{}
	for _, name := range []string{"cadastre", "ipam", long, long + "b", long + "c"} {
		for _, sid := range []string{"Organization", "OrganizationRequests", "Accounts", "AccountsRequests"} {
			id := "cdk-" + statementID(name, sid)
			if other, there := seen[id]; there || len(id) > 64 || !strings.HasSuffix(id, "-"+sid) {
				t.Errorf("%s of %s has the id %s of %d characters, as %q has", sid, name, id, len(id), other)
			}
			seen[id] = name
		}
	}
	if got := statementID("cadastre", "Accounts"); got != "cadastre-Accounts" {
		t.Errorf("the id of a short name is %s", got)
	}
}
