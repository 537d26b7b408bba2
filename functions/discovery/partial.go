package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// unstored is the error of a reading some of whose resources could not be stored or
// removed. The others were.
type unstored struct{ resources []unstoredResource }

type unstoredResource struct {
	ipam.Resource
	err error
}

// maxReported is how many errors of resources a log record gives.
const maxReported = maxFailures

func (e *unstored) Error() string {
	var all []error
	for _, r := range e.resources {
		all = append(all, r.err)
	}
	return report(all)
}

// report returns the first texts of errors, each once. Those of resources that were tried
// come before the others.
func report(all []error) string {
	slices.SortStableFunc(all, func(a, b error) int {
		return cmp.Or(cmp.Compare(left(a), left(b)), strings.Compare(a.Error(), b.Error()))
	})
	var texts []string
	for _, err := range all {
		texts = append(texts, err.Error())
	}
	texts = slices.Compact(texts)
	if more := len(texts) - maxReported; more > 0 {
		texts = append(texts[:maxReported], fmt.Sprintf("and %d more resources", more))
	}
	return strings.Join(texts, "; ")
}

func left(err error) int {
	if errors.Is(err, errNotTried) {
		return 1
	}
	return 0
}

// partial is the error of events some of which could not be stored. The others were.
type partial struct{ calls map[*discover.Call]error }

func (p *partial) Error() string {
	return fmt.Sprintf("%d events could not be stored: %s", len(p.calls), report(slices.Collect(maps.Values(p.calls))))
}

// orNil returns p as an error, or nil if there is none.
func (p *partial) orNil() error {
	if len(p.calls) == 0 {
		return nil
	}
	return p
}

// add adds the calls that touched the resources which err says were not stored. A
// resource that no call seems to have touched counts for all calls. seen are the resources
// that EC2 has of those that the calls touched. add returns any other error than an
// [*unstored].
func (p *partial) add(err error, calls []*discover.Call, seen []ipam.Resource) error {
	e, ok := errors.AsType[*unstored](err)
	if !ok {
		return err
	}
	for _, r := range e.resources {
		of := slices.DeleteFunc(slices.Clone(calls), func(c *discover.Call) bool { return !touched(c, &r.Resource, seen) })
		if len(of) == 0 {
			of = calls
		}
		for _, c := range of {
			if p.calls[c] == nil {
				p.calls[c] = r.err
			}
		}
	}
	return nil
}

// forget drops calls whose resources are read again.
func (p *partial) forget(calls []*discover.Call) {
	maps.DeleteFunc(p.calls, func(c *discover.Call, _ error) bool { return slices.Contains(calls, c) })
}

// touched reports whether a call touched a resource: it names it, or a resource that is in
// it or belongs to it.
func touched(c *discover.Call, r *ipam.Resource, seen []ipam.Resource) bool {
	if named(c, r) {
		return true
	}
	return slices.ContainsFunc(seen, func(s ipam.Resource) bool {
		within := s.VPC == r.ID || s.Subnet == r.ID || s.Public != nil && (s.Public.Interface == r.ID || s.Public.PublicIPv4Pool == r.ID)
		return within && named(c, &s)
	})
}

// named reports whether a call names a resource. A resource does not know the ids of its
// attachments, so a call that names one may name any interface.
func named(c *discover.Call, r *ipam.Resource) bool {
	sel := &c.Selected
	switch {
	case sel.Covers(r):
		return true
	case r.Type == ipam.ResourceInterface:
		return len(sel.Attachments) > 0 || slices.Contains(sel.Instances, r.Instance)
	case r.Type == ipam.ResourceEIP:
		return sel.AllAddresses
	case r.Type == ipam.ResourceSubnet:
		return sel.Contents && slices.Contains(sel.VPCs, r.VPC)
	}
	return false
}
