package fsck_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

func tagMap(pairs ...string) types.AttributeValue {
	m := map[string]types.AttributeValue{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = str(pairs[i+1])
	}
	return &types.AttributeValueMemberM{Value: m}
}

func at(pk, sk string) table.Key { return table.Key{PK: pk, SK: sk} }

func lostPool(id, source, more string, depth string) table.Item {
	return table.Item{
		"Owner": str(owner), "State": str("create-complete"), "Rev": num(1), "CidrCount": num(0), "ChildCount": num(0),
		"Object": str(`{"ID":"` + id + `","Owner":"` + owner + `","Rev":1,"Created":"2026-11-30T08:00:00Z","Scope":"ipam-scope-1","SourcePool":"` + source + `","Depth":` + depth + more + `}`),
	}
}

func lostBlock(id, kind string, more table.Item) table.Item {
	i := table.Item{"Root": str("ipam-pool-cidr-1/8"), "AllocationId": str(id), "Kind": str(kind), "Owner": str(owner), "Tags": tagMap()}
	maps.Copy(i, more)
	return i
}

func lostCIDR(id, state string) table.Item {
	return table.Item{"Id": str(id), "Owner": str(owner), "State": str(state), "Source": str("ipam-scope-1#4"), "AllocationId": str("ipam-pool-alloc-of-" + id)}
}

// common has the things that both tables have.
func common() rows {
	return rows{
		at("POOL#ipam-pool-b", "META"):                          lostPool("ipam-pool-b", "", `,"Description":"all"`, "1"),
		at("SPACE#ipam-pool-b#CIDR", "0a000000#008"):            lostCIDR("ipam-pool-cidr-1", "provisioned"),
		at("SPACE#ipam-pool-b#TAKEN", "0a000000#024"):           lostBlock("ipam-pool-alloc-1", "custom", nil),
		at("SPACE#ipam-pool-b#FREE", "111#0a010000"):            {"Root": str("ipam-pool-cidr-1/8")},
		at("ALLOC#ipam-pool-alloc-1", "META"):                   {"State": str("active")},
		at("TOKEN#token-1", "META"):                             {"Digest": str("d"), "Expires": num(1)},
		at("HISTORY#ipam-scope-1#0a000000#008", "vpc#vpc-1#01"): {"Object": str("{}")},
		at("GRANTS", "META"):                                    {"Object": str(`{"readers":["*"]}`), "Since": str("1")},
	}
}

func lines(lost []fsck.Loss) (all []string) {
	for _, l := range lost {
		all = append(all, l.String())
	}
	return all
}

// A restore loses the things that were made since, brings deleted things back, and undoes
// changes. The list has parents before the things in them.
func TestLost(t *testing.T) {
	old, restored := common(), common()
	if lost := fsck.Lost(old.all(), restored.all()); len(lost) != 0 {
		t.Errorf("equal tables: %v", lines(lost))
	}
	// Made since.
	maps.Copy(old, rows{
		at("IPAM#ipam-2", "META"):                     {"State": str("create-complete"), "Object": str(`{"ID":"ipam-2","Owner":"444455556666","Description":"theirs"}`)},
		at("POOL#ipam-pool-a", "META"):                lostPool("ipam-pool-a", "ipam-pool-b", "", "2"),
		at("POOL#ipam-pool-gone", "META"):             {"State": str("delete-in-progress"), "Object": str(`{"ID":"ipam-pool-gone","Depth":1}`)},
		at("SPACE#ipam-pool-a#CIDR", "0a800000#016"):  lostCIDR("ipam-pool-cidr-2", "pending-provision"),
		at("SPACE#ipam-pool-a#TAKEN", "0a800000#024"): lostBlock("ipam-pool-alloc-4", "vpc", table.Item{"ResourceId": str("vpc-1"), "ResourceRegion": str("eu-west-1")}),
		at("SPACE#ipam-pool-b#TAKEN", "0a000300#024"): lostBlock("ipam-pool-alloc-3", "custom", table.Item{"Description": str(`a "b"`), "Tags": tagMap("team", "net", "env", "<prod>")}),
		at("SPACE#ipam-pool-b#TAKEN", "0a000200#024"): lostBlock("ipam-pool-alloc-2", "custom", nil),
		at("SPACE#ipam-pool-b#TAKEN", "0a800000#016"): lostBlock("ipam-pool-alloc-of-ipam-pool-cidr-2", "ipam-pool", nil),
		at("SPACE#ipam-pool-b#TAKEN", "0a900000#016"): lostBlock("hold-1", "hold", nil),
		at("SPACE#ipam-pool-b#TAKEN", "0aa00000#016"): lostBlock("ipam-pool-alloc-9", "split", nil),
		at("SPACE#ipam-pool-b#CIDR", "0b000000#008"):  lostCIDR("ipam-pool-cidr-9", "deprovisioned"),
		at("ORGANIZATION", "META"):                    {"Object": str(`{"Account":"111122223333"}`)},
	})
	// Changed since.
	old[at("POOL#ipam-pool-b", "META")] = lostPool("ipam-pool-b", "", `,"Description":"all","Shares":["444455556666"],"Tags":{"a":"1"},"ChildCount":1,"New":false`, "1")
	old.set(at("POOL#ipam-pool-b", "META"), "State", str("modify-complete"))
	old.set(at("SPACE#ipam-pool-b#TAKEN", "0a000000#024"), "Tags", tagMap("k", "v"))
	old.set(at("SPACE#ipam-pool-b#CIDR", "0a000000#008"), "State", str("failed-deprovision"))
	old.set(at("GRANTS", "META"), "Object", str(`{"readers":[]}`))
	// Deleted since.
	restored[at("SPACE#ipam-pool-b#TAKEN", "0a000900#024")] = lostBlock("ipam-pool-alloc-5", "custom", nil)
	restored[at("DISCO#ipam-res-disco-1", "META")] = table.Item{"State": str("create-complete"), "Object": str(`{"ID":"ipam-res-disco-1","Owner":"111122223333"}`)}

	lost := fsck.Lost(old.all(), restored.all())
	want := []string{
		`different: grants, Object was {"readers":[]} and is {"readers":["*"]}`,
		`missing: administrator`,
		`missing: ipam ipam-2, account 444455556666, description "theirs"`,
		`different: pool ipam-pool-b, account 111122223333, description "all", tag "a" "1", Shares was ["444455556666"] and is null, Tags was {"a":"1"} and is null`,
		`missing: pool ipam-pool-a, account 111122223333`,
		`different: allocation ipam-pool-alloc-1, custom 10.0.0.0/24 of ipam-pool-b, account 111122223333, tag "k" "v", Tags was {"k":"v"} and is null`,
		`missing: allocation ipam-pool-alloc-2, custom 10.0.2.0/24 of ipam-pool-b, account 111122223333`,
		`missing: allocation ipam-pool-alloc-3, custom 10.0.3.0/24 of ipam-pool-b, account 111122223333, description "a \"b\"", tag "env" "<prod>", tag "team" "net"`,
		`missing: pool-cidr ipam-pool-cidr-2, 10.128.0.0/16 of ipam-pool-a, account 111122223333`,
		`missing: allocation ipam-pool-alloc-4, vpc 10.128.0.0/24 of ipam-pool-a, resource vpc-1, account 111122223333`,
		`returned: resource-discovery ipam-res-disco-1, account 111122223333`,
		`returned: allocation ipam-pool-alloc-5, custom 10.0.9.0/24 of ipam-pool-b, account 111122223333`,
	}
	if diff := cmp.Diff(want, lines(lost)); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
	doc, err := json.Marshal(lost[7])
	if want := `{"how":"missing","kind":"allocation","id":"ipam-pool-alloc-3","owner":"111122223333","pool":"ipam-pool-b","cidr":"10.0.3.0/24","type":"custom","description":"a \"b\"","tags":{"env":"\u003cprod\u003e","team":"net"}}`; err != nil || string(doc) != want {
		t.Errorf("JSON: %s, %v; want %s", doc, err, want)
	}
}

// The list names each thing of a table that the store wrote, and nothing that follows from
// others: only the blocks of child pools, holds and splits are left out.
func TestEverythingOfAnEmptyTableIsLost(t *testing.T) {
	w := newWorld(t)
	want := map[string]int{}
	for k, i := range w.memory.All() {
		what, _, _ := strings.Cut(k.PK, "#")
		kind, _ := i["Kind"].(*types.AttributeValueMemberS)
		state, _ := i["State"].(*types.AttributeValueMemberS)
		switch {
		case k.SK == "META" && (what == "IPAM" || what == "SCOPE" || what == "POOL" || what == "DISCO" || what == "ASSOC" || what == "RESOLVER") && state.Value != "delete-in-progress":
			want[strings.ToLower(what)]++
		case strings.HasSuffix(k.PK, "#TAKEN") && kind.Value != "ipam-pool" && kind.Value != "hold" && kind.Value != "split":
			want["alloc"]++
		case strings.HasSuffix(k.PK, "#CIDR") && state.Value != "deprovisioned":
			want["cidr"]++
		case k.PK == "GRANTS" || k.PK == "ORGANIZATION":
			want[strings.ToLower(k.PK)]++
		}
	}
	have := map[string]int{}
	names := map[string]string{
		fsck.KindIPAM: "ipam", fsck.KindScope: "scope", fsck.KindPool: "pool", fsck.KindDiscovery: "disco", fsck.KindAssociation: "assoc", fsck.KindResolver: "resolver",
		fsck.KindAllocation: "alloc", fsck.KindCIDR: "cidr", fsck.KindGrants: "grants", fsck.KindAdministrator: "organization",
	}
	seen := map[string]bool{}
	for _, l := range fsck.Lost(w.items().all(), rows{}.all()) {
		if l.How != fsck.Missing {
			t.Errorf("an empty table has it: %s", l)
		}
		have[names[l.Kind]]++
		if l.Pool != "" && !seen[l.Pool] && l.Pool != w.dying.ID {
			t.Errorf("the pool is listed behind it: %s", l)
		}
		seen[l.ID] = true
	}
	if diff := cmp.Diff(want, have); diff != "" || len(want) != 10 {
		t.Errorf("-want +have:\n%s", diff)
	}
}
