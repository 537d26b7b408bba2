package store_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// Any call may fail, carried out or not, alone or with all later calls. The same
// act once more, and the remaining work, put the table in order.
func TestLiveFaults(t *testing.T) {
	type act struct {
		name    string
		prepare func(*env) func() error
	}
	acts := []act{
		{"observe", func(l *env) func() error {
			p := l.pool("", true)
			l.provision(p, "10.0.0.0/16")
			_, err := l.allocate(ownerAccount, p, 0, "10.0.1.0/24")
			l.must(err)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, vpc("vpc-1", "10.0.0.0/20"), l.now.UnixMilli())
				return err
			}
		}},
		{"observe and import", func(l *env) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, vpc("vpc-1", "10.0.0.0/20"), l.now.UnixMilli())
				return err
			}
		}},
		{"observe a default VPC after its subnet", func(l *env) func() error {
			l.ignoreDefaults(true)
			l.provision(l.pool("", true), "172.31.0.0/16")
			l.observe(byDefault(subnet("subnet-1", "vpc-1", "172.31.0.0/20")))
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, byDefault(vpc("vpc-1", "172.31.0.0/16")), l.now.UnixMilli())
				return err
			}
		}},
		{"forget", func(l *env) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.0.0/20")
			l.observe(v)
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			l.now = l.now.Add(time.Second)
			f := l.found(v)
			return func() error { _, err := l.store.Forget(l.Context(), f, l.now.UnixMilli()); return err }
		}},
		{"provision over live VPCs", func(l *env) func() error {
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			l.observe(vpc("vpc-2", "10.0.64.0/24"))
			p := l.pool("", true)
			q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
			return func() error { _, err := l.store.Provision(l.Context(), q); return err }
		}},
		{"deprovision the CIDR of a live VPC", func(l *env) func() error {
			top := l.pool("", false)
			l.provision(top, "10.0.0.0/15")
			child := l.pool(top.ID, false)
			l.provision(child, "10.0.0.0/16")
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			return func() error {
				_, err := l.store.Deprovision(l.Context(), store.Deprovision{Pool: child.ID, CIDR: netip.MustParsePrefix("10.0.0.0/16"), May: anyone})
				if ipam.CodeOf(err) == ipam.CodeIncorrectState {
					return nil // done before
				}
				return err
			}
		}},
		{"release the block of a live VPC", func(l *env) func() error {
			p := l.pool("", true)
			l.provision(p, "10.0.0.0/16")
			a, err := l.allocate(ownerAccount, p, 0, "10.0.0.0/18")
			l.must(err)
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			return func() error {
				return l.store.Release(l.Context(), store.Release{Pool: a.Pool, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
			}
		}},
		{"allocate one's own", func(l *env) func() error {
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			q := store.Allocate{Token: l.fresh("AllocateIpamPoolCidr"), Pool: p.ID, May: anyone, Request: ipam.AllocateRequest{CIDR: netip.MustParsePrefix("10.0.0.0/19")}}
			q.Token.Account = otherAccount
			return func() error { _, err := l.store.Allocate(l.Context(), q); return err }
		}},
		{"move", func(l *env) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.0.0/20")
			l.observe(v)
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			second, err := l.store.CreateScope(l.Context(), l.fresh("CreateIpamScope"), ipam.Scope{IPAM: l.ipam.ID}, func(*ipam.IPAM) error { return nil })
			l.must(err)
			return func() error {
				q := store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, Monitored: true, Destination: second.ID, May: func(_, _ *ipam.Scope) error { return nil }}
				_, err := l.store.ModifyResourceCIDR(l.Context(), q)
				if ipam.CodeOf(err) == ipam.CodeInvalidParameterValue {
					return nil // done before: it is not in that scope any more
				}
				return err
			}
		}},
		{"ignore", func(l *env) func() error {
			l.provision(l.pool("", true), "10.0.0.0/16")
			v := vpc("vpc-1", "10.0.0.0/20")
			l.observe(v)
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			return func() error {
				_, err := l.store.ModifyResourceCIDR(l.Context(), store.ModifyResourceCIDR{Scope: l.ipam.PrivateScope, ResourceID: v.ID, CIDR: v.CIDR, Region: v.Region, May: func(_, _ *ipam.Scope) error { return nil }})
				return err
			}
		}},
	}
	pending := func(l *env) (*ipam.Pool, *ipam.Allocation) {
		p := l.pool("", false)
		l.provision(p, "10.0.0.0/16")
		return p, l.pendingBlock(p, 20)
	}
	acts = append(acts, []act{
		{"make a pending block", func(l *env) func() error {
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			q := l.leasing(p, 0, "10.0.0.0/20")
			return func() error { _, err := l.store.Allocate(l.Context(), q); return err }
		}},
		{"bind", func(l *env) func() error {
			_, a := pending(l)
			return func() error { return l.store.Bind(l.Context(), a, store.Made{ID: "vpc-1"}) }
		}},
		{"bind with EC2's answer", func(l *env) func() error {
			_, a := pending(l)
			made := l.answered("vpc-1", "assoc-1")
			return func() error { return l.store.Bind(l.Context(), a, made) }
		}},
		{"end a pending block of a deleted VPC", func(l *env) func() error {
			_, a := pending(l)
			l.must(l.store.Bind(l.Context(), a, l.answered("vpc-1", "")))
			return func() error {
				_, err := l.store.EndDeleted(l.Context(), &store.Pending{Allocation: a.AllocationID, Made: store.Made{ID: "vpc-1"}}, store.DeletedResource)
				return err
			}
		}},
		{"end a pending block of a deleted VPC beside a live one", func(l *env) func() error {
			_, a := pending(l)
			l.must(l.store.Bind(l.Context(), a, l.answered("vpc-1", "")))
			l.observe(vpc("vpc-2", "10.0.0.0/19"))
			return func() error {
				_, err := l.store.EndDeleted(l.Context(), &store.Pending{Allocation: a.AllocationID, Made: store.Made{ID: "vpc-1"}}, store.DeletedAssociation)
				return err
			}
		}},
		{"end a pending block that a delete waits for", func(l *env) func() error {
			p, a := pending(l)
			l.must(l.store.Bind(l.Context(), a, l.answered("vpc-1", "")))
			_, err := l.store.DeletePool(l.Context(), p.ID, true, anyone)
			l.must(err)
			l.settled()
			return func() error {
				_, err := l.store.EndDeleted(l.Context(), &store.Pending{Allocation: a.AllocationID, Made: store.Made{ID: "vpc-1"}}, store.ReportedDeleted)
				return err
			}
		}},
		{"go on with a delete", func(l *env) func() error {
			p, a := pending(l)
			_, err := l.store.DeletePool(l.Context(), p.ID, true, anyone)
			l.must(err)
			l.settled()
			l.must(l.store.EndPending(l.Context(), a))
			return func() error { return l.store.RunWork(l.Context(), "resume#"+p.ID) }
		}},
		{"end a pending block", func(l *env) func() error {
			_, a := pending(l)
			return func() error { return l.store.EndPending(l.Context(), a) }
		}},
		{"end the pending block of a VPC that exists after all", func(l *env) func() error {
			_, a := pending(l)
			l.observe(vpc("vpc-1", "10.0.0.0/19"))
			return func() error { return l.store.EndPending(l.Context(), a) }
		}},
		{"release a pending block", func(l *env) func() error {
			p := l.pool("", false)
			l.provision(p, "10.0.0.0/16")
			q := l.leasing(p, 20, "")
			q.Token.Account = "777788889999" // where nobody looks
			a, err := l.store.Allocate(l.Context(), q)
			l.must(err)
			l.now = l.now.Add(time.Hour)
			return func() error {
				return l.store.Release(l.Context(), store.Release{Pool: p.ID, CIDR: a.CIDR, Allocation: a.AllocationID, May: func(*ipam.Pool, string) error { return nil }})
			}
		}},
		{"observe the VPC of a pending block", func(l *env) func() error {
			_, a := pending(l)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, vpc("vpc-1", a.CIDR.String()), l.now.UnixMilli())
				return err
			}
		}},
		{"provision a plan", func(l *env) func() error {
			source := l.pool("", true)
			l.provision(source, "10.0.0.0/16")
			l.observe(vpc("vpc-1", "10.0.0.0/20"))
			l.observe(subnet("subnet-1", "vpc-1", "10.0.1.0/24"))
			p := l.planning(source, "vpc-1", true)
			q := store.Provision{Token: l.fresh("ProvisionIpamPoolCidr"), Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/20"), May: anyone, Check: func(*ipam.Pool, *store.Provision) error { return nil }}
			return func() error { _, err := l.store.Provision(l.Context(), q); return err }
		}},
		{"deprovision a plan", func(l *env) func() error {
			_, p, _, _ := planned(l, false)
			return func() error {
				_, err := l.store.Deprovision(l.Context(), store.Deprovision{Pool: p.ID, CIDR: netip.MustParsePrefix("10.0.0.0/20"), May: anyone})
				if ipam.CodeOf(err) == ipam.CodeIncorrectState {
					return nil // done before
				}
				return err
			}
		}},
		{"forget under a plan", func(l *env) func() error {
			_, _, v, _ := planned(l, false)
			l.now = l.now.Add(time.Second)
			f := l.found(v)
			return func() error { _, err := l.store.Forget(l.Context(), f, l.now.UnixMilli()); return err }
		}},
		{"come back under a plan", func(l *env) func() error {
			_, _, v, _ := planned(l, false)
			l.forgetFound(v)
			l.now = l.now.Add(time.Second)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, v, l.now.UnixMilli())
				return err
			}
		}},
		{"observe under a plan", func(l *env) func() error {
			planned(l, true)
			return func() error {
				_, err := l.store.Observe(l.Context(), l.disco, []*ipam.IPAM{l.ipam}, subnet("subnet-9", "vpc-1", "10.0.4.0/24"), l.now.UnixMilli())
				return err
			}
		}},
		{"give up a pending block", func(l *env) func() error {
			_, a := pending(l)
			l.now = l.now.Add(time.Hour)
			return func() error {
				if err := l.store.SaveDiscoveredAccount(l.Context(), &ipam.DiscoveredAccount{Discovery: l.disco.ID, Region: "eu-west-1", Account: otherAccount, Attempted: l.now.UnixMilli(), Succeeded: l.now.UnixMilli()}); err != nil {
					return err
				}
				return l.store.RunWork(l.Context(), "pending#"+a.AllocationID)
			}
		}},
	}...)
	for i, act := range acts {
		for _, room := range []int{0, 5} {
			t.Run(fmt.Sprintf("%s, room %d", act.name, room), func(t *testing.T) {
				t.Parallel()
				first, every := callsTried(i)
				l := newEnv(t)
				l.narrow(room)
				do := act.prepare(l)
				l.work()
				restore := l.saved()
				from := len(l.faulty.Trace())
				l.must(do())
				calls := len(l.faulty.Trace()) - from
				l.now = l.now.Add(10 * time.Minute) // past the deadline of a split
				l.settled()
				want := taken(l)
				for at := first; at < calls; at += every {
					for _, scheme := range []string{"fails", "loses its answer", "and all behind it fail"} {
						restore()
						n := 0
						l.faulty.Inject = func(tabletest.Call) *tabletest.Fault {
							n++
							if n-1 == at || n > at && scheme == "and all behind it fail" {
								return &tabletest.Fault{Err: tabletest.ErrInjected, Applied: scheme == "loses its answer"}
							}
							return nil
						}
						first := do()
						l.faulty.Inject = nil
						if first != nil {
							if err := do(); err != nil {
								t.Fatalf("call %d %s: once more: %v", at, scheme, err)
							}
						}
						l.now = l.now.Add(10 * time.Minute)
						l.settled()
						if have := taken(l); have != want {
							t.Fatalf("call %d %s: the taken blocks are\n%s\nwant\n%s", at, scheme, have, want)
						}
					}
				}
				t.Logf("%d calls", calls)
			})
		}
	}
}

// taken lists the taken blocks, without their allocation IDs.
func taken(l *env) string {
	var lines []string
	for k, i := range l.memory.All() {
		if strings.HasSuffix(k.PK, "#TAKEN") && !strings.Contains(k.PK, "scope") {
			a, err := items.DecodeImage(k, i)
			l.must(err)
			lines = append(lines, fmt.Sprint(a.Allocation.CIDR, " ", a.Allocation.Kind, " ", a.Allocation.ResourceID))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
