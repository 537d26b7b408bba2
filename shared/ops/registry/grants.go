package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Grant gives a class to each principal whose ARN matches Pattern, in the form of
// [ParseARNPattern].
type Grant struct {
	Pattern string
	Class   Class
}

// ParseGrants reads the deployer's grants: a JSON object with any of the lists
// administrators, allocators and readers, each of patterns. Without administrators,
// every principal of the owner account administers: IAM alone then decides on its calls.
func ParseGrants(document, owner string) ([]Grant, error) {
	grants, err := parseGrants(document)
	if err != nil || slices.ContainsFunc(grants, func(g Grant) bool { return g.Class == Administer }) {
		return grants, err
	}
	if owner == "" {
		return nil, fmt.Errorf("no grants, and no owner account to grant to")
	}
	for _, partition := range ipam.Partitions() {
		for _, service := range []string{"iam", "sts"} {
			grants = append(grants, Grant{"arn:" + partition + ":" + service + "::" + owner + ":*", Administer})
		}
	}
	return grants, nil
}

// OnlyTo returns the Authorizer of a door at which IAM decides on the calls: c may
// administer, and no other caller has a class.
func OnlyTo(c Caller) Authorizer { return only(c) }

type only Caller

// Authorize implements [Authorizer].
func (o only) Authorize(_ context.Context, c Caller, class Class) error {
	if o.ARN != "" && c.Account == o.Account && c.ARN == o.ARN && class >= Read && class <= Administer {
		return nil
	}
	return ipam.Errorf(ipam.CodeUnauthorizedOperation, "%s of account %s has the class %s here.", c.ARN, c.Account, Class(0))
}

// MoreGrants returns a function for [NewGrants] that loads grants from a document in
// the form of [ParseGrants]. A document that is absent (read returns nil), or that has
// no pattern, grants nothing.
func MoreGrants(read func(context.Context) ([]byte, error)) func(context.Context) ([]Grant, error) {
	return func(ctx context.Context) ([]Grant, error) {
		document, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return parseGrants(string(document))
	}
}

// parseGrants returns nil if the document names no pattern.
func parseGrants(document string) ([]Grant, error) {
	var lists struct {
		Administrators, Allocators, Readers []string
	}
	if document != "" {
		d := json.NewDecoder(strings.NewReader(document))
		d.DisallowUnknownFields() // a misspelt list would grant too little, or fall back to the default
		if err := d.Decode(&lists); err != nil {
			return nil, fmt.Errorf("read the grants %s: %w", document, err)
		}
		if d.More() {
			return nil, fmt.Errorf("read the grants %s: something follows the object", document)
		}
	}
	var grants []Grant
	for _, l := range []struct {
		name     string
		class    Class
		patterns []string
	}{{"administrators", Administer, lists.Administrators}, {"allocators", Allocate, lists.Allocators}, {"readers", Read, lists.Readers}} {
		for _, p := range l.patterns {
			if _, err := ParseARNPattern(p); err != nil {
				return nil, fmt.Errorf("read the grants %s: %s: %q: %w", document, l.name, p, err)
			}
			grants = append(grants, Grant{p, l.class})
		}
	}
	return grants, nil
}

// Grants is the [Authorizer] by patterns of principal ARNs. It refuses a principal that
// matches none of them. It is safe for concurrent use.
type Grants struct {
	deployer []parsedGrant
	load     func(context.Context) ([]Grant, error)
	ttl      time.Duration
	now      func() time.Time

	mu     sync.Mutex
	loaded []parsedGrant
	have   bool      // loaded has an answer, of any age
	until  time.Time // when to load again
}

type parsedGrant struct {
	pattern ARNPattern
	class   Class
}

// parse returns the grants with their patterns parsed. A pattern that [ParseARNPattern]
// refuses matches nothing.
func parse(grants []Grant) []parsedGrant {
	parsed := make([]parsedGrant, len(grants))
	for i, g := range grants {
		pattern, err := ParseARNPattern(g.Pattern)
		if err != nil {
			slog.Warn("a grant has no pattern of principal ARNs and grants nothing", "pattern", g.Pattern, "error", err.Error())
		}
		parsed[i] = parsedGrant{pattern, g.Class}
	}
	return parsed
}

// NewGrants returns an Authorizer with the deployer's grants and the grants that load
// returns, which it keeps for ttl. If a later load fails, the last grants stay in use. A
// nil load adds none.
func NewGrants(deployer []Grant, load func(context.Context) ([]Grant, error), ttl time.Duration, now func() time.Time) *Grants {
	return &Grants{deployer: parse(deployer), load: load, ttl: ttl, now: now}
}

// Authorize implements [Authorizer].
func (g *Grants) Authorize(ctx context.Context, c Caller, class Class) error {
	if c.Account == "" || c.ARN == "" {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "the caller has no verified account and principal; sign the request with IAM credentials.")
	}
	if class < Read || class > Administer {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "the class %s is never granted.", class)
	}
	held := highest(g.deployer, c.ARN)
	if held >= class {
		return nil // without a read of the table, which is the usual case
	}
	more, err := g.fromTable(ctx)
	if err != nil {
		return err
	}
	if held = max(held, highest(more, c.ARN)); held >= class {
		return nil
	}
	return ipam.Errorf(ipam.CodeUnauthorizedOperation,
		"%s of account %s has the class %s. Ask the administrator of this service to grant the class %s to a pattern that matches this principal.",
		c.ARN, c.Account, held, class)
}

func (g *Grants) fromTable(ctx context.Context) ([]parsedGrant, error) {
	if g.load == nil {
		return nil, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); !g.have || !now.Before(g.until) {
		loaded, err := g.load(ctx)
		switch {
		case err == nil:
			g.loaded, g.have = parse(loaded), true
		case g.have:
			slog.WarnContext(ctx, "grants not reloaded, the last ones are used", "error", err.Error())
		default:
			slog.ErrorContext(ctx, "grants not loaded", "error", err.Error())
			return nil, ipam.Errorf(ipam.CodeUnavailable, "The grants of this service cannot be read at the moment. Retry the request.")
		}
		g.until = now.Add(g.ttl)
	}
	return g.loaded, nil
}

// highest returns the highest class that the grants give to a principal.
func highest(grants []parsedGrant, arn string) Class {
	var c Class
	for _, g := range grants {
		if g.class > c && g.pattern.Match(arn) {
			c = g.class
		}
	}
	return c
}
