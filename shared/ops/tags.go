package ops

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// createTags tags several objects. It checks all of them before the first write, so a
// refused request has changed nothing. Each object is one conditional write: a request
// that fails in between, throttled or in competition with a deletion, has tagged some of
// the objects, and can be repeated as it is.
func (o service) createTags(ctx context.Context, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	tags, err := o.parseTags("Tag", in.Tags)
	if err != nil {
		return nil, err
	}
	for k := range tags {
		if err := checkStackTag(ctx, "Tag", k); err != nil {
			return nil, err
		}
	}
	err = o.retag(ctx, in.Resources, func(id string, have ipam.Tags) (ipam.Tags, error) {
		now := ipam.Tags{}
		maps.Copy(now, have)
		maps.Copy(now, tags)
		return now, o.checkTagCount(id, len(now))
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateTagsOutput{}, nil
}

// deleteTags removes tags of several objects, with the writes of [service.createTags]. A tag
// without a value in the request goes with any value. A tag with a value, also an empty
// one, goes if it has this value. A request without tags removes all except the tags of a stack.
func (o service) deleteTags(ctx context.Context, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	for _, t := range in.Tags {
		if aws.ToString(t.Key) == "" {
			return nil, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter Key for each tag")
		}
		if err := checkStackTag(ctx, "Tag", *t.Key); err != nil {
			return nil, err
		}
	}
	err := o.retag(ctx, in.Resources, func(_ string, have ipam.Tags) (ipam.Tags, error) {
		now := ipam.Tags{}
		for k, v := range have {
			if len(in.Tags) > 0 || slices.Contains(ipam.StackTags, k) {
				now[k] = v
			}
		}
		for _, t := range in.Tags {
			if v, ok := now[*t.Key]; ok && (t.Value == nil || *t.Value == v) {
				delete(now, *t.Key)
			}
		}
		return now, nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteTagsOutput{}, nil
}

// retag changes the tags of the caller's objects with the ids. change returns the new tags
// of an object.
func (o service) retag(ctx context.Context, ids []string, change func(id string, have ipam.Tags) (ipam.Tags, error)) error {
	of := map[ipam.IDKind][]string{}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		k := ipam.IDKindOf(id)
		if _, ok := resourceTypes[k]; !ok {
			return ipam.Errorf(ipam.CodeInvalidID, "The ID '%s' is not valid. Tags are for IPAMs, scopes, pools, resource discoveries, their associations, prefix list resolvers and allocations.", schema.Excerpt(id))
		}
		of[k] = append(of[k], id)
	}
	var writes []func() error
	for _, plan := range []func() ([]func() error, error){
		func() ([]func() error, error) { return o.ipams().retag(ctx, of[ipam.IDIPAM], change) },
		func() ([]func() error, error) { return o.scopes().retag(ctx, of[ipam.IDScope], change) },
		func() ([]func() error, error) { return o.pools().retag(ctx, of[ipam.IDPool], change) },
		func() ([]func() error, error) { return o.discoveries().retag(ctx, of[ipam.IDDiscovery], change) },
		func() ([]func() error, error) {
			return o.associations().retag(ctx, of[ipam.IDDiscoveryAssociation], change)
		},
		func() ([]func() error, error) { return o.resolvers().retag(ctx, of[ipam.IDResolver], change) },
		func() ([]func() error, error) { return o.retagAllocations(ctx, of[ipam.IDAllocation], change) },
	} {
		more, err := plan()
		if err != nil {
			return err
		}
		writes = append(writes, more...)
	}
	for _, write := range writes {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// retag checks the change of tags of objects, and returns the writes for it: none for an
// object whose tags stay the same.
func (k entity[T]) retag(ctx context.Context, ids []string, change func(string, ipam.Tags) (ipam.Tags, error)) ([]func() error, error) {
	objects, err := k.find(ctx, "ResourceId", ids)
	if err != nil {
		return nil, err
	}
	var writes []func() error
	for _, object := range objects {
		m := k.meta(object)
		tags, err := change(m.ID, m.Tags)
		if err != nil {
			return nil, err
		}
		if maps.Equal(tags, m.Tags) {
			continue
		}
		if err := m.Require(ipam.ActUse); err != nil {
			return nil, err
		}
		writes = append(writes, func() error {
			_, err := k.modify(ctx, m.ID, ipam.ActUse, func(now *T) (err error) {
				if err := checkOwner(ctx, k.meta(now)); err != nil {
					return err
				}
				k.meta(now).Tags, err = change(m.ID, k.meta(now).Tags)
				return err
			})
			return err
		})
	}
	return writes, nil
}

func (o service) retagAllocations(ctx context.Context, ids []string, change func(string, ipam.Tags) (ipam.Tags, error)) ([]func() error, error) {
	found, err := o.findAllocations(ctx, "ResourceId", ids)
	if err != nil {
		return nil, err
	}
	var writes []func() error
	for _, a := range found {
		tags, err := change(a.AllocationID, a.Tags)
		if err != nil {
			return nil, err
		}
		if maps.Equal(tags, a.Tags) {
			continue
		}
		writes = append(writes, func() error {
			_, err := o.store.ModifyAllocation(ctx, a.AllocationID, func(now *ipam.Allocation) (err error) {
				now.Tags, err = change(now.AllocationID, now.Tags)
				return err
			})
			return err
		})
	}
	return writes, nil
}

func (o service) describeTags(ctx context.Context, in *ec2.DescribeTagsInput) (*ec2.DescribeTagsOutput, error) {
	const minResults = 5 // the API model has no bounds; its text has 5 and 1000
	if n := in.MaxResults; n != nil && (*n < minResults || *n > listing.MaxOutputs) {
		return nil, ipam.Errorf(ipam.CodeInvalidMaxResults, "Value (%d) for parameter MaxResults is invalid. Use %d to %d.", *n, minResults, listing.MaxOutputs)
	}
	// The filter tag:KEY compares the values of tags with that key.
	byKey := listing.Filters[types.TagDescription]{}
	for _, f := range in.Filters {
		if key, ok := strings.CutPrefix(aws.ToString(f.Name), "tag:"); ok && key != "" {
			byKey["tag:"+key] = func(t *types.TagDescription) (string, bool) {
				return *t.Value, *t.Key == key
			}
		}
	}
	q := listRequest{"DescribeTags", in, in.MaxResults, in.NextToken, in.Filters}
	found, next, err := answer(ctx, q, byKey, func(t *types.TagDescription) types.TagDescription { return *t }, func(p listing.Page) (listing.List[types.TagDescription], error) {
		return o.tags(ctx, p, in.Filters)
	})
	return &ec2.DescribeTagsOutput{Tags: found, NextToken: next}, err
}

// tagged is an object with its tags.
type tagged struct {
	id   string
	tags ipam.Tags
}

// taggedKinds are the kinds of objects with tags, in the order of DescribeTags.
var taggedKinds = []ipam.IDKind{ipam.IDIPAM, ipam.IDScope, ipam.IDPool, ipam.IDDiscovery, ipam.IDDiscoveryAssociation, ipam.IDResolver, ipam.IDAllocation}

// tags lists the tags of the caller's objects that the filters on resources admit: by
// kind, within a kind in the order of its list, and within an object by key.
//
// The position of a tag is the position of the object before, then the object's id and
// the key. So it stays valid when the object is deleted.
func (o service) tags(ctx context.Context, p listing.Page, filters []types.Filter) (listing.List[types.TagDescription], error) {
	after, last := p.After, [2]string{}
	if n := len(after); n >= 2 {
		after, last = after[:n-2], [2]string(after[n-2:])
	}
	objects, err := o.taggable(ctx, p, after, filters)
	if err != nil {
		return nil, err
	}
	return func(yield func(listing.Entry[types.TagDescription], error) bool) {
		before := after
		for e, err := range objects {
			if err != nil {
				yield(listing.Entry[types.TagDescription]{}, err)
				return
			}
			t := e.Object
			if t == nil {
				t = new(tagged)
			}
			for _, k := range slices.Sorted(maps.Keys(t.tags)) {
				if t.id == last[0] && k <= last[1] {
					continue
				}
				d := types.TagDescription{ResourceId: &t.id, ResourceType: resourceTypes[ipam.IDKindOf(t.id)], Key: aws.String(k), Value: aws.String(t.tags[k])}
				if !yield(listing.Entry[types.TagDescription]{Object: &d, Position: append(slices.Clone(before), t.id, k)}, nil) {
					return
				}
			}
			before = e.Position
			if len(t.tags) == 0 && !yield(listing.Entry[types.TagDescription]{Position: append(slices.Clone(before), "", ""), Cost: e.Cost}, nil) {
				return
			}
		}
	}, nil
}

// taggedPosition is a position in the list of objects with tags: the index in taggedKinds,
// and the object's id, or the position of an allocation.
type taggedPosition struct {
	kind       int
	id         string
	allocation allocationPosition
}

// parseTaggedPosition reads a position, which is empty at the beginning.
func parseTaggedPosition(after []string) (taggedPosition, bool) {
	if len(after) == 0 {
		return taggedPosition{}, true
	}
	if at, ok := parsePosition(after); ok {
		return taggedPosition{kind: slices.Index(taggedKinds, ipam.IDAllocation), allocation: at}, true
	}
	if len(after) != 1 {
		return taggedPosition{}, false
	}
	at := taggedPosition{kind: slices.Index(taggedKinds, ipam.IDKindOf(after[0])), id: after[0]}
	return at, at.kind >= 0
}

// taggable lists the caller's objects that filters by resource-type and resource-id admit,
// behind a position.
func (o service) taggable(ctx context.Context, p listing.Page, after []string, filters []types.Filter) (listing.List[tagged], error) {
	at, ok := parseTaggedPosition(after)
	if !ok {
		return nil, p.InvalidToken()
	}
	ids, byID := listing.Exact(filters, "resource-id")
	var parts []listing.List[tagged]
	for i, k := range taggedKinds[at.kind:] {
		if !listing.Admits(filters, "resource-type", string(resourceTypes[k])) {
			continue
		}
		if i > 0 {
			at.id = ""
		}
		ofKind := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return ipam.IDKindOf(id) != k })
		switch k {
		case ipam.IDIPAM:
			parts = append(parts, o.ipams().tagged(ctx, at.id, ofKind, byID))
		case ipam.IDScope:
			parts = append(parts, o.scopes().tagged(ctx, at.id, ofKind, byID))
		case ipam.IDPool:
			parts = append(parts, o.pools().tagged(ctx, at.id, ofKind, byID))
		case ipam.IDDiscovery:
			parts = append(parts, o.discoveries().tagged(ctx, at.id, ofKind, byID))
		case ipam.IDDiscoveryAssociation:
			parts = append(parts, o.associations().tagged(ctx, at.id, ofKind, byID))
		case ipam.IDResolver:
			parts = append(parts, o.resolvers().tagged(ctx, at.id, ofKind, byID))
		case ipam.IDAllocation:
			parts = append(parts, o.taggedAllocations(ctx, at.allocation, ofKind, byID))
		default: // has no tags
		}
	}
	return listing.Concat(parts...), nil
}

// tagged lists the caller's objects of the type, behind the id after: all, or with byID
// those of ids that exist.
func (k entity[T]) tagged(ctx context.Context, after string, ids []string, byID bool) listing.List[tagged] {
	return func(yield func(listing.Entry[tagged], error) bool) {
		objects := k.owned(ctx, after)
		if byID {
			found, err := k.byID(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
			if err != nil {
				yield(listing.Entry[tagged]{}, err)
				return
			}
			objects = k.behind(after, slices.DeleteFunc(found, func(o *T) bool { return checkOwner(ctx, k.meta(o)) != nil }))
		}
		for e, err := range objects {
			if err != nil {
				yield(listing.Entry[tagged]{}, err)
				return
			}
			m := k.meta(e.Object)
			if !yield(listing.Entry[tagged]{Object: &tagged{m.ID, m.Tags}, Position: e.Position}, nil) {
				return
			}
		}
	}
}

// taggedAllocations is [entity.tagged] for allocations.
func (o service) taggedAllocations(ctx context.Context, after allocationPosition, ids []string, byID bool) listing.List[tagged] {
	return func(yield func(listing.Entry[tagged], error) bool) {
		objects := o.allAllocations(ctx, after, 0)
		if byID {
			found, err := o.existingAllocations(ctx, ids)
			if err != nil {
				yield(listing.Entry[tagged]{}, err)
				return
			}
			objects = found.behind(after)
		}
		for e, err := range objects {
			if err != nil {
				yield(listing.Entry[tagged]{}, err)
				return
			}
			t := listing.Entry[tagged]{Position: e.Position, Cost: e.Cost}
			if a := e.Object; a != nil {
				t.Object = &tagged{a.AllocationID, a.Tags}
			}
			if !yield(t, nil) {
				return
			}
		}
	}
}
