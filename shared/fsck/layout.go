package fsck

// layout is the newest layout whose items this checker knows.
const layout = 1

// addLayout checks the item of the table's layout. An upgrade that is under way is in
// order: items of both layouts are.
func (t *table) addLayout(r *row) {
	have := r.number("Layout")
	for _, name := range []string{"Next", "Active", "Noticed", "Since"} {
		if r.has(name) {
			r.number(name)
		}
	}
	r.maybe("AfterPK")
	r.maybe("AfterSK")
	if have < 1 || have > layout {
		r.fail("the table has layout %d, and this checker knows layouts from 1 to %d", have, layout)
	}
	r.ok()
}

// addRestores checks the item of the table's restores: the times at which restored
// tables were created, ascending.
func (t *table) addRestores(r *row) {
	var at []int64
	r.document("Restores", &at)
	for i, n := range at {
		if n <= 0 || i > 0 && n <= at[i-1] {
			r.fail("the restores %d are not ascending times", at)
			break
		}
	}
	if len(at) == 0 {
		r.fail("it has no restore")
	}
	r.ok()
}
