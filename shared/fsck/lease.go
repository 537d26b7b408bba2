package fsck

// lease is the row through which discovery finds a block that waits for EC2's
// answer.
type lease struct {
	account, sk                         string
	scope, ipam, region, kind, resource string
}

func (l *lease) pk() string { return "LEASE#" + l.account }

func (t *table) addLease(r *row, account string) {
	l := lease{account: account, sk: r.sk, scope: r.text("Scope"), ipam: r.text("Ipam"), region: r.text("ResourceRegion"), kind: r.text("Kind"), resource: r.maybe("ResourceId")}
	if r.ok() {
		t.leases = append(t.leases, l)
	}
}

// checkLeases compares the blocks that wait for EC2's answer with their rows.
// checkWork checks their notes of work.
func (t *table) checkLeases() {
	rows := make(map[string]*lease, len(t.leases))
	for i := range t.leases {
		l := &t.leases[i]
		rows[l.pk()+" | "+l.sk] = l
	}
	for i := range t.taken {
		b := &t.taken[i]
		if b.lease == 0 {
			continue
		}
		pk, sk := "LEASE#"+b.owner, blockSK(b.cidr)+"#"+b.id
		l := rows[pk+" | "+sk]
		delete(rows, pk+" | "+sk)
		switch pool := t.index[ref{kindPool, b.space}]; {
		case l == nil:
			t.problem(Lease, pk, sk, "%s is on lease, and there is no row of it", b.cidr)
		case l.region != b.region || l.kind != b.kind || l.resource != b.resource:
			t.problem(Lease, pk, sk, "the row is of a %s in %q, %q, and the block of a %s in %q, %q", l.kind, l.region, l.resource, b.kind, b.region, b.resource)
		case pool != nil && (l.scope != pool.Scope || l.ipam != pool.IPAM):
			t.problem(Lease, pk, sk, "the row is of the scope %s of %s, and the block of %s of %s", l.scope, l.ipam, pool.Scope, pool.IPAM)
		}
	}
	for _, l := range rows {
		t.problem(Lease, l.pk(), l.sk, "no block is on lease there")
	}
}
