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

// selection names a pool by its properties instead of its id, so that one template
// fits every account and environment. The selector is evaluated once, when an object is
// made; see inherit.
type selection struct {
	IpamPoolSelector *selector

	present string // the pool that the object is in, if the selector has changed
	pool    string // the pool that is named or selected; "" before resolve
	scope   string // the pool's scope, if the pool was selected
}

// selector holds the properties that a pool must have, all of them. An empty member
// asks for nothing.
type selector struct {
	AddressFamily string
	Description   string
	IpamScopeID   string `cfn:"IpamScopeId"`
	Locale        string
	Tags          map[string]string
}

// criteria returns the selector as names of filters of DescribeIpamPools and their
// values, always in the same order.
func (s *selector) criteria() [][2]string {
	all := [][2]string{{"address-family", s.AddressFamily}, {"description", s.Description}, {"ipam-scope-id", s.IpamScopeID}, {"locale", s.Locale}}
	all = slices.DeleteFunc(all, func(c [2]string) bool { return c[1] == "" })
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		all = append(all, [2]string{"tag:" + key, s.Tags[key]})
	}
	return all
}

// String returns the selector as messages show it.
func (s *selector) String() string {
	var parts []string
	for _, c := range s.criteria() {
		parts = append(parts, fmt.Sprintf("%s=%q", schema.Excerpt(c[0]), schema.Excerpt(c[1])))
	}
	return strings.Join(parts, ", ")
}

// fact returns the property that names a pool, by its id or by the selector.
func (s *selection) fact(id string) fact {
	if s.IpamPoolSelector != nil {
		return fact{fmt.Sprintf("%q", s.IpamPoolSelector.criteria()), s.pool}
	}
	return fact{id, id}
}

// inherit keeps an object in its pool. A selector that is the same as before means the
// pool that the object is in, even if other pools meet it by now.
func (s *selection) inherit(old *selection, pool, scope string) {
	switch {
	case s.IpamPoolSelector == nil:
	case reflect.DeepEqual(s.IpamPoolSelector, old.IpamPoolSelector):
		s.pool, s.scope = pool, scope
	default:
		s.present = pool
	}
}

// resolve sets pool to the pool that the property names by its id or the selector
// selects. A selector selects the pool that the object is in, if that meets it, and
// otherwise the only pool that meets it.
func (s *selection) resolve(ctx context.Context, r *request, property, id string) error {
	switch {
	case s.IpamPoolSelector == nil && id == "":
		return ipam.Errorf(ipam.CodeMissingParameter, "%s needs one of the properties %s and IpamPoolSelector.", r.ResourceType, property)
	case s.IpamPoolSelector == nil:
		s.pool, r.pool = id, id
		return nil
	case id != "":
		return ipam.Errorf(ipam.CodeInvalidParameterCombination, "The properties %s and IpamPoolSelector name a pool each. Give one of them.", property)
	case s.pool != "":
		r.pool, r.scope = s.pool, s.scope
		return nil
	case r.pool != "":
		s.pool, s.scope = r.pool, r.scope
		return nil
	}
	var pools []types.IpamPool
	var err error
	if s.present != "" {
		pools, err = s.IpamPoolSelector.find(ctx, r, s.present)
	}
	if err == nil && len(pools) == 0 {
		pools, err = s.IpamPoolSelector.find(ctx, r)
	}
	if err != nil {
		return err
	}
	switch len(pools) {
	case 0:
		return ipam.Errorf(ipam.CodeInvalidParameterValue, "No pool meets the IpamPoolSelector %s. Ask for less, or give a pool these properties.", s.IpamPoolSelector)
	case 1:
		s.pool, s.scope = *pools[0].IpamPoolId, idOf(pools[0].IpamScopeArn)
		r.pool, r.scope = s.pool, s.scope
		return nil
	}
	var names []string
	for _, p := range pools[:min(len(pools), maxListed)] {
		names = append(names, fmt.Sprintf("%s (%s, locale %s, %q)", *p.IpamPoolId, p.AddressFamily, aws.ToString(p.Locale), schema.Excerpt(aws.ToString(p.Description))))
	}
	if len(pools) > maxListed {
		names = append(names, "and more")
	}
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "More than one pool meets the IpamPoolSelector %s: %s. Ask for more, until one pool is left, or name the pool by %s.", s.IpamPoolSelector, strings.Join(names, ", "), property)
}

// maxListed is how many objects an error lists.
const maxListed = 8

// quoteFilter quotes a filter's wildcards.
var quoteFilter = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// equals returns a filter that a value passes if it is the given one. The given value is
// the caller's text, so its wildcards mean themselves.
func equals(name, value string) types.Filter {
	return types.Filter{Name: &name, Values: []string{quoteFilter.Replace(value)}}
}

// find returns the usable pools that meet the selector, at least maxListed+1 if there
// are so many. among, if given, limits the search to these pools.
func (s *selector) find(ctx context.Context, r *request, among ...string) ([]types.IpamPool, error) {
	criteria := s.criteria()
	if len(criteria) == 0 {
		return nil, ipam.Errorf(ipam.CodeMissingParameter, "The IpamPoolSelector asks for nothing. Give it Tags, a Locale, an AddressFamily, an IpamScopeId or a Description.")
	}
	in := &ec2.DescribeIpamPoolsInput{IpamPoolIds: among, Filters: []types.Filter{{
		Name: aws.String("state"), Values: []string{string(ipam.StateCreateComplete), string(ipam.StateModifyComplete)},
	}}}
	for _, c := range criteria {
		in.Filters = append(in.Filters, equals(c[0], c[1]))
	}
	var pools []types.IpamPool
	for {
		out, err := call[ec2.DescribeIpamPoolsOutput](ctx, r, "DescribeIpamPools", in)
		if err != nil {
			return nil, err
		}
		pools = append(pools, out.IpamPools...)
		if in.NextToken = out.NextToken; in.NextToken == nil || len(pools) > maxListed {
			return pools, nil
		}
	}
}
