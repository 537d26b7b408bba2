package fsck

import (
	"cmp"
	"slices"
	"strings"
)

// asked identifies a request that arrived as an event.
type asked struct{ account, id string }

// addRefusal reads the record of a refused request. Its key contains the
// account and the request's id.
func (t *table) addRefusal(r *row, key string) {
	if r.gone(true) {
		return
	}
	account, id, ok := strings.Cut(key, "#")
	if !ok || id == "" {
		r.fail("the key names no account and request")
	}
	var doc struct{ Request, Account, Region, Code, Message, Detail string }
	r.document("Object", &doc)
	if doc.Request != id || doc.Account != account {
		r.fail("it is of request %q of %s", doc.Request, doc.Account)
	}
	if doc.Code == "" || doc.Message == "" {
		r.fail("it has no code or no message")
	}
	if r.ok() {
		t.refused = append(t.refused, asked{account, id})
	}
}

// addStable reads the last CIDR of a stable key.
func (t *table) addStable(r *row, key string) {
	if account, pool, ok := strings.Cut(key, "#"); !ok || account == "" || pool == "" || r.sk == "" {
		r.fail("the key names no account, pool and stable key")
	}
	r.text("Cidr")
	r.ok()
}

// checkAnswers checks that no request has two answers: a block and a refusal,
// or two blocks.
func (t *table) checkAnswers() {
	answered := map[asked]string{}
	for _, a := range t.refused {
		answered[a] = "was refused"
	}
	var blocks []*taken
	for i := range t.taken {
		if b := &t.taken[i]; b.request != "" {
			blocks = append(blocks, b)
		}
	}
	slices.SortFunc(blocks, func(a, b *taken) int {
		return cmp.Or(strings.Compare(a.space, b.space), strings.Compare(a.sk, b.sk))
	})
	for _, b := range blocks {
		a := asked{b.owner, b.request}
		if before, twice := answered[a]; twice {
			t.problem(Answer, b.pk(), b.sk, "the request %s of %s has this block and %s", b.request, b.owner, before)
		}
		answered[a] = "has " + b.cidr.String()
	}
}
