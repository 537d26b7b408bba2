package model

import (
	"encoding/json"
	"strings"
	"testing"
)

// Cadastre's own members cannot replace members of the EC2 API.
func TestLoadRefusesShorthands(t *testing.T) {
	for _, c := range []struct{ name, shape, member, want string }{
		{"of a shape that there is not", "NoSuchThing", "StableKey", "NoSuchThing"},
		{"of a string", "IpamPoolId", "StableKey", "is no structure"},
		{"with a name that is taken", "AllocateIpamPoolCidrRequest", "Cidr", "member Cidr of AllocateIpamPoolCidrRequest is in both models"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api, raw, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			err = api.extend(raw, c.shape, map[string]Shorthand{c.member: {Ref: Ref{Shape: "String"}}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// The document of a structure keeps its members.
func TestExtended(t *testing.T) {
	b, err := extended(json.RawMessage(`{"type": "structure", "members": {"B": {"shape": "X", "locationName": "b"}, "A": {"shape": "Y"} } }`),
		[]Shorthand{{Name: "Z", Ref: Ref{Shape: "S"}, Tag: "t", Documentation: "<p>d</p>"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"members":{"B":{"shape":"X","locationName":"b"},"A":{"shape":"Y"},"Z":{"documentation":"\u003cp\u003ed\u003c/p\u003e","shape":"S"}},"type":"structure"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}
