package ops

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// The inputs and outputs of the operations on grants. They are extensions, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// AccessGrants are patterns of principal ARNs by class, in the form of
	// [registry.ParseARNPattern]. In an answer no list is nil.
	AccessGrants struct {
		Administrators []string `json:"administrators"`
		Allocators     []string `json:"allocators"`
		Readers        []string `json:"readers"`
	}
	// GetAccessGrantsInput is the input of GetAccessGrants.
	GetAccessGrantsInput struct{ DryRun *bool }
	// GetAccessGrantsOutput is the output of GetAccessGrants.
	GetAccessGrantsOutput struct{ AccessGrants *AccessGrants }
	// PutAccessGrantsInput is the input of PutAccessGrants.
	PutAccessGrantsInput struct {
		DryRun                              *bool
		Administrators, Allocators, Readers []string
	}
	// PutAccessGrantsOutput is the output of PutAccessGrants.
	PutAccessGrantsOutput struct{ AccessGrants *AccessGrants }
)

const (
	// maxPatterns is the number of grants in the table. Each call that the deployer's
	// grants do not admit compares its caller with all of them.
	maxPatterns = 1000
	maxPattern  = 2048 // characters of a pattern; no principal's ARN has more (IAM User Guide, "IAM and AWS STS quotas")
)

// getAccessGrants returns the grants that [service.putAccessGrants] wrote, without the
// deployer's, which are part of the deployment.
func (o service) getAccessGrants(ctx context.Context, _ *GetAccessGrantsInput) (*GetAccessGrantsOutput, error) {
	document, err := o.store.Grants(ctx)
	if err != nil {
		return nil, err
	}
	grants := &AccessGrants{[]string{}, []string{}, []string{}}
	if document != nil {
		if err := json.Unmarshal(document, grants); err != nil {
			return nil, fmt.Errorf("read the grants: %w", err)
		}
	}
	return &GetAccessGrantsOutput{AccessGrants: grants}, nil
}

// putAccessGrants replaces the grants in the table, which add to the deployer's. All
// functions use them within a minute.
func (o service) putAccessGrants(ctx context.Context, in *PutAccessGrantsInput) (*PutAccessGrantsOutput, error) {
	n := 0
	for _, l := range []struct {
		name     string
		patterns []string
	}{{"Administrators", in.Administrators}, {"Allocators", in.Allocators}, {"Readers", in.Readers}} {
		n += len(l.patterns)
		for i, p := range l.patterns {
			parameter := fmt.Sprintf("%s.%d", l.name, i+1)
			if len(p) > maxPattern {
				return nil, schema.Invalid(parameter, p, "It has %d characters, and a pattern of principal ARNs at most %d.", len(p), maxPattern)
			}
			if _, err := registry.ParseARNPattern(p); err != nil {
				return nil, schema.Invalid(parameter, p, "It is no pattern of principal ARNs: %s.", err)
			}
		}
	}
	if n > maxPatterns {
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The request has %d patterns, and at most %d are kept. Join some with wildcards.", n, maxPatterns)
	}
	all := func(patterns []string) []string { return append([]string{}, patterns...) }
	grants := &AccessGrants{all(in.Administrators), all(in.Allocators), all(in.Readers)}
	document, err := json.Marshal(grants)
	if err != nil {
		return nil, err
	}
	if len(document) > 256<<10 {
		return nil, ipam.Errorf(ipam.CodeInvalidParameterValue, "The patterns have %d bytes together, and at most %d are kept. Join some with wildcards.", len(document), 256<<10)
	}
	if err := o.store.PutGrants(ctx, document); err != nil {
		return nil, err
	}
	return &PutAccessGrantsOutput{AccessGrants: grants}, nil
}
