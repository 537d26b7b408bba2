package fsck

// pendingRow is the row through which discovery finds a block that waits for EC2's
// answer.
type pendingRow struct {
	account, sk                         string
	scope, ipam, region, kind, resource string
}

func (l *pendingRow) pk() string { return "PENDING#" + l.account }

func (t *table) addPending(r *row, account string) {
	l := pendingRow{account: account, sk: r.sk, scope: r.text("Scope"), ipam: r.text("Ipam"), region: r.text("ResourceRegion"), kind: r.text("Kind"), resource: r.maybe("ResourceId")}
	if r.ok() {
		t.pendingRows = append(t.pendingRows, l)
	}
}

// checkPending compares the blocks that wait for EC2's answer with their rows.
// checkWork checks their notes of work.
func (t *table) checkPending() {
	rows := make(map[string]*pendingRow, len(t.pendingRows))
	for i := range t.pendingRows {
		l := &t.pendingRows[i]
		rows[l.pk()+" | "+l.sk] = l
	}
	for i := range t.taken {
		b := &t.taken[i]
		if b.pendingUntil == 0 {
			continue
		}
		pk, sk := "PENDING#"+b.owner, blockSK(b.cidr)+"#"+b.id
		l := rows[pk+" | "+sk]
		delete(rows, pk+" | "+sk)
		switch pool := t.index[ref{kindPool, b.space}]; {
		case l == nil:
			t.problem(Pending, pk, sk, "%s is pending, and there is no row of it", b.cidr)
		case l.region != b.region || l.kind != b.kind || l.resource != b.resource:
			t.problem(Pending, pk, sk, "the row is of a %s in %q, %q, and the block of a %s in %q, %q", l.kind, l.region, l.resource, b.kind, b.region, b.resource)
		case pool != nil && (l.scope != pool.Scope || l.ipam != pool.IPAM):
			t.problem(Pending, pk, sk, "the row is of the scope %s of %s, and the block of %s of %s", l.scope, l.ipam, pool.Scope, pool.IPAM)
		}
	}
	for _, l := range rows {
		t.problem(Pending, l.pk(), l.sk, "no block is pending there")
	}
}
