package discover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// Parents has the call to AWS Organizations that returns the unit of an account
// or unit. The SDK's client implements it.
type Parents interface {
	ListParents(context.Context, *organizations.ListParentsInput, ...func(*organizations.Options)) (*organizations.ListParentsOutput, error)
}

// HierarchyClient has the calls to AWS Organizations that a [Hierarchy] makes.
// The SDK's client implements it.
type HierarchyClient interface {
	Parents
	DescribeOrganization(context.Context, *organizations.DescribeOrganizationInput, ...func(*organizations.Options)) (*organizations.DescribeOrganizationOutput, error)
}

// HierarchyActions are the IAM actions that a [Hierarchy] needs. Organizations
// answers ListParents in the management account and in a delegated
// administrator's account, and DescribeOrganization in every member account.
var HierarchyActions = []string{"organizations:DescribeOrganization", "organizations:ListParents"}

// Hierarchy returns the units of accounts in the organisation of the caller's
// account. It is safe for concurrent use.
//
// It keeps a parent for five minutes, so a moved account is in its new unit
// after five minutes at most. It keeps a missing parent, and a failure of
// [Hierarchy.Ancestors], for half a minute.
type Hierarchy struct {
	client HierarchyClient
	now    func() time.Time

	mu      sync.Mutex
	parents map[string]parent // by account or unit
	self    organization
}

type parent struct {
	id    string // "" if the organisation has no such child
	err   error
	until time.Time
}

type organization struct {
	id, management string // "" if the account is in none
	until          time.Time
}

const (
	parentFor   = 5 * time.Minute
	noParentFor = 30 * time.Second
	climbFor    = 5 * time.Second // a request waits this long at most
	maxDepth    = 10              // units nest five deep (AWS Organizations User Guide, "Quotas")
)

// NewHierarchy returns a [Hierarchy] that reads with c.
func NewHierarchy(c HierarchyClient, now func() time.Time) *Hierarchy {
	return &Hierarchy{client: c, now: now, parents: map[string]parent{}}
}

// Ancestors returns the ids of the units around an account or unit, innermost
// first, with the root at the end. It returns none for a child outside the
// organisation.
func (h *Hierarchy) Ancestors(ctx context.Context, child string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, climbFor)
	defer cancel()
	var above []string
	for range maxDepth {
		p := h.parent(ctx, child)
		if p.err != nil || p.id == "" {
			return nil, p.err
		}
		above, child = append(above, p.id), p.id
		if strings.HasPrefix(child, "r-") {
			return above, nil
		}
	}
	return nil, fmt.Errorf("%s is %d units deep: %v", child, maxDepth, above)
}

func (h *Hierarchy) parent(ctx context.Context, child string) parent {
	if p, ok := h.parents[child]; ok && h.now().Before(p.until) {
		return p
	}
	id, err := parentOf(ctx, h.client, child)
	p := parent{id, err, h.now().Add(noParentFor)}
	switch {
	case absent(err):
		p.err = nil
	case err == nil:
		p.until = h.now().Add(parentFor)
	case errors.Is(ctx.Err(), context.Canceled):
		return p // the caller gave up; Organizations did not fail
	}
	h.parents[child] = p
	return p
}

// absent reports whether Organizations answers that there is no such account or
// unit, or no organisation.
func absent(err error) bool {
	_, child := errors.AsType[*types.ChildNotFoundException](err)
	_, organization := errors.AsType[*types.AWSOrganizationsNotInUseException](err)
	return child || organization
}

// parentOf returns the id of the unit or root that contains an account or unit.
func parentOf(ctx context.Context, c Parents, child string) (string, error) {
	for token := (*string)(nil); ; {
		out, err := c.ListParents(ctx, &organizations.ListParentsInput{ChildId: &child, NextToken: token})
		if err != nil {
			return "", fmt.Errorf("list the parents of %s: %w", child, err)
		}
		// A page may be empty before the last one. There is one parent (AWS
		// Organizations API reference, "ListParents").
		if len(out.Parents) == 1 && aws.ToString(out.Parents[0].Id) != "" {
			return *out.Parents[0].Id, nil
		}
		if token = out.NextToken; len(out.Parents) > 0 || aws.ToString(token) == "" {
			return "", fmt.Errorf("%s has %d parents and not one", child, len(out.Parents))
		}
	}
}

// Management returns the organisation's id and its management account, and both
// "" if the caller's account is in no organisation. It keeps an answer with an
// organisation for five minutes, and nothing else.
func (h *Hierarchy) Management(ctx context.Context) (id, account string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now().Before(h.self.until) {
		return h.self.id, h.self.management, nil
	}
	ctx, cancel := context.WithTimeout(ctx, climbFor)
	defer cancel()
	out, err := h.client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	switch {
	case absent(err):
		return "", "", nil
	case err != nil:
		return "", "", fmt.Errorf("describe the organisation: %w", err)
	case out.Organization == nil || aws.ToString(out.Organization.Id) == "" || aws.ToString(out.Organization.MasterAccountId) == "":
		return "", "", errors.New("describe the organisation: the answer names no organisation and management account")
	}
	h.self = organization{*out.Organization.Id, *out.Organization.MasterAccountId, h.now().Add(parentFor)}
	return h.self.id, h.self.management, nil
}
