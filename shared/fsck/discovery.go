package fsck

import (
	"slices"
	"strings"
)

// progress is the progress of a discovery in an account and Region.
type progress struct {
	discovery, sk string
	forgotten     bool
}

func (p progress) pk() string { return "DISCO#" + p.discovery }

func (t *table) addProgress(r *row, discovery string) {
	if parts := strings.Split(r.sk, "#"); len(parts) != 3 || parts[0] != "ACCOUNT" || parts[1] == "" || parts[2] == "" {
		r.fail("a discovery has nothing of this kind")
	}
	attempted := r.count("Attempted")
	if succeeded := r.count("Succeeded"); succeeded > attempted {
		r.fail("the last complete run began at %d, after the last one, at %d", succeeded, attempted)
	}
	r.maybe("OrganizationalUnitId")
	code := r.maybe("FailureCode")
	if (code == "") != (r.maybe("Failure") == "") {
		r.fail("a failure has a code and a message, or neither")
	}
	if r.has("Failures") || r.has("Failing") {
		if failures, failing := r.count("Failures"), r.count("Failing"); failures == 0 || failing > attempted || code == "" {
			r.fail("%d runs failed in a row, the first at %d, the last at %d with the failure %q", failures, failing, attempted, code)
		}
	}
	left := ""
	if r.has("Departure") {
		left = r.oneOf("Departure", "account", "region", "forgotten")
	}
	if r.ok() {
		t.progress = append(t.progress, progress{discovery, r.sk, left == "forgotten"})
	}
}

// addEverywhere reads a row of the list of all discoveries.
func (t *table) addEverywhere(r *row) {
	if said := r.text("Id"); said != r.sk {
		r.fail("the attribute Id is %q, and the key says %q", said, r.sk)
	}
	if r.ok() {
		t.everywhere = append(t.everywhere, r.sk)
	}
}

// checkWatch compares resource discoveries, their associations and the
// associated IPAMs.
func (t *table) checkWatch() {
	for _, p := range t.progress {
		note := p.discovery + strings.TrimPrefix(p.sk, "ACCOUNT")
		if t.index[ref{kindDiscovery, p.discovery}] == nil && !t.purging[p.discovery] && !t.purging[note] {
			t.problem(Reference, p.pk(), p.sk, "its discovery does not exist")
		}
		if p.forgotten && !t.purging[note] {
			t.problem(Work, p.pk(), p.sk, "it is being forgotten, and there is no note purge#%s", note)
		}
	}
	listed := make(map[string]bool, len(t.everywhere))
	for _, id := range t.everywhere {
		listed[id] = true
		if t.index[ref{kindDiscovery, id}] == nil {
			t.problem(Listing, "DISCOVERIES", id, "no such discovery exists")
		}
	}
	with := make(map[string][]string) // by discovery: IPAMs of its associations
	for i := range t.objects {
		if a := &t.objects[i]; a.kind == kindAssociation {
			t.checkAssociation(a)
			if !a.NotFound {
				with[a.Discovery] = append(with[a.Discovery], a.IPAM)
			}
		}
	}
	for i := range t.objects {
		switch o := &t.objects[i]; o.kind {
		case kindIPAM:
			t.checkDefaults(o)
		case kindDiscovery:
			if !listed[o.id] {
				t.problem(Listing, "DISCOVERIES", o.id, "the discovery exists and is not in the list of all")
			}
			ipams := with[o.id]
			slices.Sort(ipams)
			if !slices.Equal(ipams, o.IPAMs) {
				t.problem(Watch, o.pk(), meta, "it says that it is associated with %q, and there are associations with %q", o.IPAMs, ipams)
			}
			if up := t.index[ref{kindIPAM, o.IPAM}]; o.IPAM != "" && (up == nil || up.Discovery != o.id) {
				t.problem(Watch, o.pk(), meta, "it is the default discovery of %s, which does not exist or has another", o.IPAM)
			}
		default: // not an object of discovery
		}
	}
}

func (t *table) checkAssociation(a *object) {
	up, d := t.index[ref{kindIPAM, a.IPAM}], t.index[ref{kindDiscovery, a.Discovery}]
	switch {
	case up == nil:
		t.problem(Reference, a.pk(), meta, "its IPAM %s does not exist", a.IPAM)
		return
	case (d == nil) != a.NotFound:
		t.problem(Reference, a.pk(), meta, "it says that its discovery %s is gone: %t; the discovery is there: %t", a.Discovery, a.NotFound, d != nil)
	}
	up.associations++
	t.same(a, "owner", a.owner, up, up.owner)
	if a.Default != (up.DiscoveryAssociation == a.id) || a.Default != (up.Discovery == a.Discovery) {
		t.problem(Watch, a.pk(), meta, "it is the default association: %t; those of %s are %s with %s", a.Default, up.id, up.DiscoveryAssociation, up.Discovery)
	}
}

// checkDefaults checks an IPAM's default discovery and association, and its
// number of associations.
func (t *table) checkDefaults(o *object) {
	if d := t.index[ref{kindDiscovery, o.Discovery}]; d == nil {
		t.problem(Reference, o.pk(), meta, "its default discovery %s does not exist", o.Discovery)
	} else {
		t.same(d, "owner", d.owner, o, o.owner)
		if d.IPAM != o.id {
			t.problem(Watch, d.pk(), meta, "it is the default discovery of %s, and says IPAM %q", o.id, d.IPAM)
		}
	}
	if t.index[ref{kindAssociation, o.DiscoveryAssociation}] == nil {
		t.problem(Reference, o.pk(), meta, "its default association %s does not exist", o.DiscoveryAssociation)
	}
	t.count(o, "DiscoveryAssociations", o.DiscoveryAssociations, o.associations)
}
