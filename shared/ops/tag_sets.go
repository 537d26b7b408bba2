package ops

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Lengths of tags in characters (EC2 User Guide, "Tag restrictions").
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// parseTags reads tags to set. parameter is their name in messages.
func (o service) parseTags(parameter string, given []types.Tag) (ipam.Tags, error) {
	if len(given) == 0 {
		return nil, nil
	}
	tags := make(ipam.Tags, len(given))
	for _, t := range given {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		if n := utf8.RuneCountInString(k); n < 1 || n > maxTagKey {
			return nil, schema.Invalid(parameter, k, "A tag key has %d characters; it may have 1 to %d.", n, maxTagKey)
		}
		if n := utf8.RuneCountInString(v); n > maxTagValue {
			return nil, schema.Invalid(parameter, v, "The value of the tag %s has %d characters; it may have %d.", schema.Excerpt(k), n, maxTagValue)
		}
		if len(k) >= 4 && strings.EqualFold(k[:4], "aws:") {
			return nil, schema.Invalid(parameter, k, "Tag keys that begin with aws: are reserved. Use another key.")
		}
		if _, twice := tags[k]; twice {
			return nil, schema.Invalid(parameter, k, "The tag key is given more than once. Give it once.")
		}
		tags[k] = v
	}
	return tags, nil
}

// specifiedTags reads the tags of a new object of the kind.
func (o service) specifiedTags(ctx context.Context, specifications []types.TagSpecification, kind ipam.IDKind) (ipam.Tags, error) {
	var given []types.Tag
	for _, s := range specifications {
		if want := resourceTypes[kind]; s.ResourceType != want {
			return nil, schema.Invalid("TagSpecification.ResourceType", string(s.ResourceType), "This request makes an object of type %s.", want)
		}
		given = append(given, s.Tags...)
	}
	tags, err := o.parseTags("TagSpecification.Tag", given)
	if err != nil {
		return nil, err
	}
	for k := range tags {
		if err := checkStackTag(ctx, "TagSpecification.Tag", k); err != nil {
			return nil, err
		}
	}
	return tags, o.checkTagCount("A new object", len(tags))
}

func (o service) checkTagCount(id string, n int) error {
	if limit := o.store.Quotas().Tags; int64(n) > limit {
		return ipam.Errorf(ipam.CodeTagLimitExceeded, "%s would have %d tags and may have %d. Remove some, or give fewer.", id, n, limit)
	}
	return nil
}

// resourceTags reads the tags that a pool requires of resources.
func (o service) resourceTags(parameter string, given []types.RequestIpamResourceTag) (ipam.Tags, error) {
	var tags []types.Tag
	for _, t := range given {
		tags = append(tags, types.Tag{Key: t.Key, Value: t.Value})
	}
	parsed, err := o.parseTags(parameter, tags)
	if err != nil {
		return nil, err
	}
	return parsed, o.checkTagCount(parameter, len(parsed))
}

// checkStackTag refuses a tag key that only the functions of custom resources may set,
// change or delete: by these tags they find the objects of a stack.
func checkStackTag(ctx context.Context, parameter, key string) error {
	if !slices.Contains(ipam.StackTags, key) || registry.CallerFrom(ctx).Stacks {
		return nil
	}
	return schema.Invalid(parameter, key, "Only CloudFormation stacks set, change and delete the tag %s. Use another key.", key)
}
