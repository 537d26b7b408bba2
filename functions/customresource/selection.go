package main

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// selection is how a template names a pool other than by its id, so that one
// template fits every account and environment. What it selects is found out
// once, when something is made; see inherit.
type selection struct {
	IpamPoolSelector *selector

	standing string // pool that the object is in, if the selector has changed
	pool     string // that is named or selected, once this is settled
	scope    string // of the pool, if it was selected
}

// selector says what a pool has to have, all of it. An empty member asks for
// nothing.
type selector struct {
	AddressFamily string
	Description   string
	IpamScopeID   string `cfn:"IpamScopeId"`
	Locale        string
	Tags          map[string]string
}

// criteria returns what is asked for, as names of filters of DescribeIpamPools
// and values, always in the same order.
func (s *selector) criteria() [][2]string {
	all := [][2]string{{"address-family", s.AddressFamily}, {"description", s.Description}, {"ipam-scope-id", s.IpamScopeID}, {"locale", s.Locale}}
	all = slices.DeleteFunc(all, func(c [2]string) bool { return c[1] == "" })
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		all = append(all, [2]string{"tag:" + key, s.Tags[key]})
	}
	return all
}

// String returns the selector as it is told to people.
func (s *selector) String() string {
	var parts []string
	for _, c := range s.criteria() {
		parts = append(parts, fmt.Sprintf("%s=%q", schema.Excerpt(c[0]), schema.Excerpt(c[1])))
	}
	return strings.Join(parts, ", ")
}

// fact is a property that names a pool, by its id or the selector.
func (s *selection) fact(id string) fact {
	if s.IpamPoolSelector != nil {
		return fact{fmt.Sprintf("%q", s.IpamPoolSelector.criteria()), s.pool}
	}
	return fact{id, id}
}

// inherit makes a selector that is the same as before stand for the pool that
// an object is in by it. Which pools there are, and what tags they have, may
// have changed since; that never moves an object.
func (s *selection) inherit(old *selection, pool, scope string) {
	switch {
	case s.IpamPoolSelector == nil:
	case reflect.DeepEqual(s.IpamPoolSelector, old.IpamPoolSelector):
		s.pool, s.scope = pool, scope
	default:
		s.standing = pool
	}
}

// settle finds out the pool that is named by the property with the id, or
// selected: the one that the object is in if it meets the selector, and else
// the only one that does.
func (s *selection) settle(ctx context.Context, r *request, property, id string) error {
	switch {
	case s.IpamPoolSelector == nil && id == "":
		return ipam.Errorf(ipam.CodeMissingParameter, "%s needs one of the properties %s and IpamPoolSelector.", r.ResourceType, property)
	case s.IpamPoolSelector == nil:
		s.pool = id
		return nil
	case id != "":
		return ipam.Errorf(ipam.CodeInvalidParameterCombination, "The properties %s and IpamPoolSelector name a pool each. Give one of them.", property)
	case s.pool != "":
		r.selected = s.pool + "|" + s.scope
		return nil
	case r.selected != "":
		s.pool, s.scope, _ = strings.Cut(r.selected, "|")
		return nil
	}
	var pools []types.IpamPool
	var err error
	if s.standing != "" {
		pools, err = s.IpamPoolSelector.find(ctx, r, s.standing)
	}
	if err == nil && len(pools) == 0 {
		pools, err = s.IpamPoolSelector.find(ctx, r)
	}
	if err != nil {
		return err
	}
	switch len(pools) {
	case 0:
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "No pool meets the IpamPoolSelector %s. Ask for less, or give a pool what is asked for.", s.IpamPoolSelector)
	case 1:
		s.pool, s.scope = *pools[0].IpamPoolId, idOf(pools[0].IpamScopeArn)
		r.selected = s.pool + "|" + s.scope
		return nil
	}
	var names []string
	for _, p := range pools[:min(len(pools), named)] {
		names = append(names, fmt.Sprintf("%s (%s, locale %s, %q)", *p.IpamPoolId, p.AddressFamily, aws.ToString(p.Locale), schema.Excerpt(aws.ToString(p.Description))))
	}
	if len(pools) > named {
		names = append(names, "and more")
	}
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "More than one pool meets the IpamPoolSelector %s: %s. Ask for more, until one pool is left, or name the pool by %s.", s.IpamPoolSelector, strings.Join(names, ", "), property)
}

// named is how many pools an error lists.
const named = 8

// literal takes the meaning from a filter's wildcards.
var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// find returns the usable pools that meet the selector, at least named+1 if
// there are so many; of certain pools, if any are given.
func (s *selector) find(ctx context.Context, r *request, among ...string) ([]types.IpamPool, error) {
	criteria := s.criteria()
	if len(criteria) == 0 {
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The IpamPoolSelector asks for nothing. Give it Tags, a Locale, an AddressFamily, an IpamScopeId or a Description.")
	}
	in := &ec2.DescribeIpamPoolsInput{IpamPoolIds: among, Filters: []types.Filter{{
		Name: aws.String("state"), Values: []string{string(ipam.StateCreateComplete), string(ipam.StateModifyComplete)},
	}}}
	for _, c := range criteria {
		in.Filters = append(in.Filters, types.Filter{Name: &c[0], Values: []string{literal.Replace(c[1])}})
	}
	var pools []types.IpamPool
	for {
		out, err := call[ec2.DescribeIpamPoolsOutput](ctx, r, "DescribeIpamPools", in)
		if err != nil {
			return nil, err
		}
		pools = append(pools, out.IpamPools...)
		if in.NextToken = out.NextToken; in.NextToken == nil || len(pools) > named {
			return pools, nil
		}
	}
}
