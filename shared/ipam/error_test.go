package ipam_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// declaredCodes reads the constants of type Code from the source, which is the
// only complete list.
func declaredCodes(t *testing.T) map[ipam.Code]string {
	f, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[ipam.Code]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Code" {
				continue
			}
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if twice, ok := codes[ipam.Code(text)]; ok {
				t.Errorf("%s and %s are both %q", twice, v.Names[0], text)
			}
			codes[ipam.Code(text)] = v.Names[0].Name
		}
	}
	return codes
}

func TestEveryCodeHasItsRow(t *testing.T) {
	declared := declaredCodes(t)
	if len(declared) < 30 {
		t.Fatalf("found %d codes in the source", len(declared))
	}
	labels := []string{"caller", "auth", "conflict", "quota", "dry_run", "throttle", "internal", "unknown"}
	for code, name := range declared {
		row, ok := ipam.Codes[code]
		if !ok {
			t.Errorf("%s has no row", name)
			continue
		}
		if row.Status < 400 || row.Status > 599 || !slices.Contains(labels, row.Label) {
			t.Errorf("%s has status %d and label %q", name, row.Status, row.Label)
		}
		// A client's SDK retries 5xx, so only errors that may end by themselves
		// have it.
		if retried := row.Label == "internal" || row.Label == "throttle"; retried != (row.Status >= 500) {
			t.Errorf("%s with label %s has status %d", name, row.Label, row.Status)
		}
	}
	for code := range ipam.Codes {
		if declared[code] == "" {
			t.Errorf("the row of %q is of no code", code)
		}
	}
}

func TestPublic(t *testing.T) {
	known := ipam.Errorf(ipam.CodeInvalidParameterValue, "Value (%d) is invalid.", 7)
	secret := errors.New("dial tcp 10.1.2.3:443: connection refused")
	for _, c := range []struct {
		name string
		err  error
		code ipam.Code
	}{
		{"a known error", known, ipam.CodeInvalidParameterValue},
		{"a known error, wrapped", fmt.Errorf("allocate: %w", known), ipam.CodeInvalidParameterValue},
		{"a known error among others", errors.Join(secret, known), ipam.CodeInvalidParameterValue},
		{"a foreign error", secret, ipam.CodeInternalError},
		{"a torn snapshot", ipam.ErrStale, ipam.CodeInternalError},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ipam.CodeOf(c.err); got != c.code {
				t.Errorf("code %s, want %s", got, c.code)
			}
			if text := ipam.Public(c.err).Error(); strings.Contains(text, "10.1.2.3") || !strings.HasPrefix(text, string(c.code)+": ") {
				t.Errorf("the caller reads %q", text)
			}
		})
	}
	if got := ipam.CodeOf(nil); got != "" {
		t.Errorf("no error has code %q", got)
	}
	if known.Message != "Value (7) is invalid." {
		t.Errorf("message %q", known.Message)
	}
}

func TestTemporary(t *testing.T) {
	temporary := map[ipam.Code]bool{ipam.CodeConcurrentMutationLimitExceeded: true, ipam.CodeRequestLimitExceeded: true, ipam.CodeInternalError: true, ipam.CodeUnavailable: true}
	for code := range ipam.Codes {
		if got := code.Temporary(); got != temporary[code] {
			t.Errorf("%s is temporary: %t, want %t", code, got, temporary[code])
		}
	}
	for _, code := range []ipam.Code{"", "VpcLimitExceeded"} {
		if code.Temporary() {
			t.Errorf("%q is temporary", code)
		}
	}
}

func TestNotFound(t *testing.T) {
	notFound := map[ipam.Code]bool{
		ipam.CodeInvalidIpamIDNotFound: true, ipam.CodeInvalidAllocationIDNotFound: true, ipam.CodeInvalidPoolIDNotFound: true,
		ipam.CodeInvalidAssociationIDNotFound: true, ipam.CodeInvalidDiscoveryIDNotFound: true, ipam.CodeInvalidScopeIDNotFound: true,
		ipam.CodeInvalidResolverIDNotFound: true,
	}
	for code := range ipam.Codes {
		if got := ipam.Errorf(code, "x").NotFound(); got != notFound[code] {
			t.Errorf("%s says that an object does not exist: %t, want %t", code, got, notFound[code])
		}
	}
	for _, c := range []struct {
		err  *ipam.Error
		want bool
	}{
		{ipam.Errorf("InvalidVpcID.NotFound", "x"), true},
		{ipam.Errorf("NotFoundEither", "x"), false},
		{ipam.Errorf(ipam.CodeInvalidParameterCombination, ipam.NoAllocation+" in ipam-pool-1 with the ID ipam-pool-alloc-1."), true},
		{ipam.Errorf(ipam.CodeInvalidParameterCombination, "The members exclude each other. "+ipam.NoAllocation), false},
		{ipam.Errorf(ipam.CodeInvalidParameterValue, ipam.NoAllocation), false},
	} {
		if got := c.err.NotFound(); got != c.want {
			t.Errorf("%v says that an object does not exist: %t, want %t", c.err, got, c.want)
		}
	}
}
