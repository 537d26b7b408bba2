package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/wildcard"
)

// Grant gives a class to every principal whose ARN matches Pattern, in which *
// stands for any number of characters, / and : too, and ? for one.
//
// A session of a role, arn:aws:sts::A:assumed-role/R/S, is matched as itself
// and as its role, arn:aws:iam::A:role/R. The session's ARN does not tell the
// role's path, so a pattern with a path, role/team/R, stands for role/R as
// well: role names are unique in an account whatever their path. It does so
// only if the name behind the path has no wildcard, since role/team/* would
// otherwise grant to every role of the account.
type Grant struct {
	Pattern string
	Class   Class
}

// ParseGrants reads the deployer's grants: a JSON object with any of the lists
// administrators, allocators and readers, of patterns. If it names no pattern,
// or is empty, every principal of the owner account administers: who may call
// at all is then IAM's decision alone.
func ParseGrants(document, owner string) ([]Grant, error) {
	grants, err := parseGrants(document)
	if err != nil || grants != nil {
		return grants, err
	}
	if owner == "" {
		return nil, fmt.Errorf("no grants, and no owner account to grant to")
	}
	// One pattern for all would be somebody else's too, whose path has colons.
	for _, partition := range ipam.Partitions() {
		for _, service := range []string{"iam", "sts"} {
			grants = append(grants, Grant{"arn:" + partition + ":" + service + "::" + owner + ":*", Administer})
		}
	}
	return grants, nil
}

// OnlyTo lets one principal administer, and no other do anything: for doors at
// which IAM decides who comes.
func OnlyTo(c Caller) Authorizer {
	return NewGrants([]Grant{{Pattern: c.ARN, Class: Administer}}, nil, 0, nil)
}

// MoreGrants returns what NewGrants loads with, from a document in the form
// that ParseGrants reads. It only adds: one that is absent (read returns nil),
// or that names no pattern, grants nothing to anybody.
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
		d.DisallowUnknownFields() // a misspelt list would grant less than was meant, or fall back to the default
		if err := d.Decode(&lists); err != nil {
			return nil, fmt.Errorf("read the grants %s: %w", document, err)
		}
		if d.More() {
			return nil, fmt.Errorf("read the grants %s: something follows the object", document)
		}
	}
	var grants []Grant
	for _, l := range []struct {
		class    Class
		patterns []string
	}{{Administer, lists.Administrators}, {Allocate, lists.Allocators}, {Read, lists.Readers}} {
		for _, p := range l.patterns {
			if p == "" {
				return nil, fmt.Errorf("read the grants %s: a pattern is empty", document)
			}
			grants = append(grants, Grant{p, l.class})
		}
	}
	return grants, nil
}

// Grants is the Authorizer by patterns of principal ARNs. Who matches none is
// refused. It is safe for concurrent use.
type Grants struct {
	deployer []Grant
	load     func(context.Context) ([]Grant, error)
	ttl      time.Duration
	now      func() time.Time

	mu     sync.Mutex
	loaded []Grant
	have   bool      // loaded holds an answer, however old
	until  time.Time // when to load again
}

// NewGrants returns an Authorizer that takes the deployer's grants together
// with those that load returns, which it keeps for ttl. If load fails later on,
// what it last returned goes on being used. A nil load adds none.
func NewGrants(deployer []Grant, load func(context.Context) ([]Grant, error), ttl time.Duration, now func() time.Time) *Grants {
	return &Grants{deployer: deployer, load: load, ttl: ttl, now: now}
}

// Authorize implements Authorizer.
func (g *Grants) Authorize(ctx context.Context, c Caller, class Class) error {
	if c.Account == "" || c.ARN == "" {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "the caller has no verified account and principal; sign the request with IAM credentials.")
	}
	if class < Read || class > Administer {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "the class %s is never granted.", class)
	}
	held := highest(g.deployer, c.ARN)
	if held >= class {
		return nil // without a read: the usual way
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

func (g *Grants) fromTable(ctx context.Context) ([]Grant, error) {
	if g.load == nil {
		return nil, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); !g.have || !now.Before(g.until) {
		fresh, err := g.load(ctx)
		switch {
		case err == nil:
			g.loaded, g.have = fresh, true
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

// highest returns the highest class that the grants give to the principal.
func highest(grants []Grant, arn string) Class {
	var c Class
	for _, g := range grants {
		if g.Class > c && matches(g.Pattern, arn) {
			c = g.Class
		}
	}
	return c
}

func matches(pattern, arn string) bool {
	if wildcard.Parse(pattern).Match(arn) {
		return true
	}
	role := roleOf(arn)
	if role == "" {
		return false
	}
	return wildcard.Parse(pattern).Match(role) || wildcard.Parse(withoutPath(pattern)).Match(role)
}

// roleOf returns the ARN of the role, without its path, that an assumed-role
// session's ARN belongs to, and "" for any other ARN.
func roleOf(arn string) string {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[2] != "sts" {
		return ""
	}
	name, ok := strings.CutPrefix(f[5], "assumed-role/")
	name, _, slash := strings.Cut(name, "/")
	if !ok || !slash || name == "" {
		return ""
	}
	return "arn:" + f[1] + ":iam::" + f[4] + ":role/" + name
}

// withoutPath returns the pattern with the path between role/ and a literal
// role name taken out, and other patterns as they are.
func withoutPath(pattern string) string {
	head, rest, ok := strings.Cut(pattern, ":role/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 || rest[i+1:] == "" || strings.ContainsAny(rest[i+1:], "*?") {
		return pattern
	}
	return head + ":role/" + rest[i+1:]
}
