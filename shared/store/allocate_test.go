package store_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// The refusal of any request has room on the bus: it keeps the request's detail
// whole or not at all, and the beginning of the message.
func TestRefusalsAreBounded(t *testing.T) {
	for _, c := range []struct {
		what, message, detail string
		kept                  int // bytes of the message
		whole                 bool
	}{
		{"short", "It is full.", "{}", 11, true},
		{"as long as is kept", strings.Repeat("x", 1<<10), strings.Repeat("x", 16<<10), 1 << 10, true},
		{"longer", strings.Repeat("x", 1<<10+1), strings.Repeat("x", 16<<10+1), 1<<10 + len("…"), false},
		{"cut inside a character", strings.Repeat("x", 1<<10-1) + "ß", "{}", 1<<10 - 1 + len("…"), true},
	} {
		env := newStatusEnv(t)
		token := store.Token{Account: ownerAccount, Operation: "AllocateIpamPoolCidr", Value: "r"}
		if err := env.store.Refuse(t.Context(), token, items.Refusal{Request: "r", Account: ownerAccount, Code: "InvalidParameterValue", Message: c.message, Detail: c.detail}); err != nil {
			t.Fatal(err)
		}
		for k, i := range env.table.All() {
			if !strings.HasPrefix(k.PK, items.RequestPrefix) {
				continue
			}
			got, err := items.DecodeRefusal(table.Row{Key: k, Item: i})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Message) != c.kept || !utf8.ValidString(got.Message) || (got.Detail == c.detail) != c.whole || !c.whole && got.Detail != "" {
				t.Errorf("%s: %d bytes of the message and %d of the request's detail are kept", c.what, len(got.Message), len(got.Detail))
			}
		}
	}
}
