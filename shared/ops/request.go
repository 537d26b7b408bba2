package ops

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Limits of texts that AWS documents no other limit for.
const (
	maxDescription = 255 // characters
	maxClientToken = 64  // ASCII characters; EC2 API, "Ensuring idempotency"
)

// checkOwner returns NotFound for an object of another account than the caller's, as for
// an id that does not exist.
func checkOwner(ctx context.Context, m *ipam.Meta) error {
	if m.Owner != registry.CallerFrom(ctx).Account {
		return ipam.NotFound(m.ID)
	}
	return nil
}

// token returns the idempotency token of a request. in is the operation's input: a
// request with the same token and another input is IdempotentParameterMismatch.
func token(ctx context.Context, operation string, clientToken *string, in any) (store.Token, error) {
	value := aws.ToString(clientToken)
	if len(value) > maxClientToken || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return store.Token{}, schema.Invalid("ClientToken", value, "It has %d characters; use at most %d ASCII characters.", utf8.RuneCountInString(value), maxClientToken)
	}
	return store.Token{Account: registry.CallerFrom(ctx).Account, Operation: operation, Value: value, Digest: digest(operation, in)}, nil
}

// checkID returns the id, or an error if it is no id of the kind.
func checkID(kind ipam.IDKind, parameter string, id *string) (string, error) {
	s := aws.ToString(id)
	return s, ipam.CheckID(kind, parameter, schema.Excerpt(s)) // the excerpt of an id is the id
}

// parseCIDR reads a CIDR. It returns the zero Prefix for nil.
func parseCIDR(parameter string, s *string) (netip.Prefix, error) {
	if s == nil {
		return netip.Prefix{}, nil
	}
	return ipam.ParseCIDR(parameter, schema.Excerpt(*s))
}

func parseCIDRs(parameter string, list []string) ([]netip.Prefix, error) {
	var cidrs []netip.Prefix
	for i, s := range list {
		p, err := parseCIDR(fmt.Sprintf("%s.%d", parameter, i+1), &s)
		if err != nil {
			return nil, err
		}
		cidrs = append(cidrs, p)
	}
	return cidrs, nil
}

func parseLength(n *int32) *int {
	if n == nil {
		return nil
	}
	l := int(*n)
	return &l
}

// parseDescription reads a Description. It returns "" for nil.
func parseDescription(s *string) (string, error) {
	if n := utf8.RuneCountInString(aws.ToString(s)); n > maxDescription {
		return "", ipam.Errorf(ipam.CodeInvalidParameterValue, "The Description has %d characters. Use at most %d.", n, maxDescription)
	}
	return aws.ToString(s), nil
}

// notSupported returns the error of a parameter of the EC2 API that Cadastre does not
// implement yet.
func notSupported(parameter string) error {
	return ipam.Errorf(ipam.CodeUnsupportedOperation, "The parameter %s is part of the EC2 IPAM API but is not built here yet. Leave it out.", parameter)
}

func invalidCombination(format string, args ...any) error {
	return ipam.Errorf(ipam.CodeInvalidParameterCombination, format, args...)
}
