package fsck

import "strings"

// pendingRow is the row through which discovery finds a block that waits for EC2's
// answer.
type pendingRow struct {
	account, sk                         string
	scope, ipam, region, kind, resource string
	madeAt                              int64 // Unix seconds by EC2's clock, 0 if EC2 has not answered
}

func (l *pendingRow) pk() string { return "PENDING#" + l.account }

func (t *table) addPending(r *row, account string) {
	l := pendingRow{account: account, sk: r.sk, scope: r.text("Scope"), ipam: r.text("Ipam"), region: r.text("ResourceRegion"), kind: r.text("Kind"), resource: r.maybe("ResourceId")}
	l.madeAt = r.madeAt(l.resource)
	if r.has("AssociationId") {
		if r.text("AssociationId"); l.resource == "" {
			r.fail("a CIDR is associated with no resource")
		}
	}
	if r.ok() {
		t.pendingRows = append(t.pendingRows, l)
	}
}

// addDeleted reads the item that says for a while that EC2 has deleted a resource for
// which a block was pending.
func (t *table) addDeleted(r *row) {
	if !strings.HasPrefix(r.sk, "vpc-") && !strings.HasPrefix(r.sk, "subnet-") {
		r.fail("no block is pending for a resource like %s", r.sk)
	}
	r.gone(true)
	r.ok()
}

// madeAt reads when EC2 had made a resource, 0 if it has not.
func (r *row) madeAt(resource string) int64 {
	if !r.has("MadeAt") {
		return 0
	}
	at := r.number("MadeAt")
	if at <= 0 || resource == "" {
		r.fail("EC2 has made the resource %q at %d", resource, at)
	}
	return at
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
		case l.region != b.region || l.kind != b.kind || l.resource != b.resource || l.madeAt != b.madeAt:
			t.problem(Pending, pk, sk, "the row is of a %s in %q, %q made at %d, and the block of a %s in %q, %q made at %d", l.kind, l.region, l.resource, l.madeAt, b.kind, b.region, b.resource, b.madeAt)
		case pool != nil && (l.scope != pool.Scope || l.ipam != pool.IPAM):
			t.problem(Pending, pk, sk, "the row is of the scope %s of %s, and the block of %s of %s", l.scope, l.ipam, pool.Scope, pool.IPAM)
		}
	}
	for _, l := range rows {
		t.problem(Pending, l.pk(), l.sk, "no block is pending there")
	}
}
