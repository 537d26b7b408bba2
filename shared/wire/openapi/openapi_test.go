package openapi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/openapi"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// The document of all operations is valid OpenAPI. The codec's requests and answers,
// with every member set, fit it.
func TestDocumentDescribesTheCodec(t *testing.T) {
	var all []openapi.Operation
	for _, o := range client.Operations() {
		all = append(all, openapi.Operation{Name: o.Name, Summary: "x", Class: "read", Mutates: true, Paginated: true, Idempotent: true, CSV: o.Name == "GetIpamAddressHistory"})
	}
	b, err := openapi.Document("https://example.com/prod", all)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := openapi.Document("https://example.com/prod", all); !bytes.Equal(b, again) {
		t.Error("two documents of the same operations differ")
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := doc.Paths.Len(); got != len(all) {
		t.Errorf("%d paths, want %d", got, len(all))
	}
	for _, o := range client.Operations() {
		t.Run(o.Name, func(t *testing.T) {
			op := doc.Paths.Find("/v1/" + o.Name).Post
			shape, _ := schema.Lookup(o.Name)
			in, out := o.NewInput(), o.NewOutput()
			wiretest.Fill(in, schema.At(shape.Input))
			request := op.RequestBody.Value.Content["application/json"].Schema.Value
			body, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			visit(t, request, body)
			if err := request.VisitJSON(map[string]any{"NoSuchMember": 1}); err == nil {
				t.Error("an unknown member is admitted")
			}
			if err := request.VisitJSON(map[string]any{}); (err == nil) != (wiretest.Check(o.Name, o.NewInput()) == nil) {
				t.Errorf("an input without members: the document says %v, the check %v", err, wiretest.Check(o.Name, o.NewInput()))
			}
			if shape.Output >= 0 {
				wiretest.Fill(out, schema.At(shape.Output))
			}
			answer, err := awsjson.Encode(o.Name, out)
			if err != nil {
				t.Fatal(err)
			}
			visit(t, op.Responses.Value("200").Value.Content["application/json"].Schema.Value, answer)
		})
	}
}

// A shorthand is a member of the request, and its description says that it is
// Cadastre's own.
func TestDocumentHasShorthands(t *testing.T) {
	b, err := openapi.Document("https://example.com", []openapi.Operation{{Name: "AllocateIpamPoolCidr", Class: "allocate"}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		t.Fatal(err)
	}
	request := doc.Components.Schemas["AllocateIpamPoolCidrRequest"].Value
	key := request.Properties["StableKey"]
	if key == nil || !strings.HasPrefix(key.Value.Description, "An extension of Cadastre") {
		t.Fatalf("the member is %+v", key)
	}
	visit(t, request, []byte(`{"IpamPoolId": "p", "StableKey": "k"}`))
	for _, wrong := range []any{"", strings.Repeat("k", 257), 1} {
		if err := request.VisitJSON(map[string]any{"IpamPoolId": "p", "StableKey": wrong}); err == nil {
			t.Errorf("%v is admitted", wrong)
		}
	}
}

func visit(t *testing.T, s *openapi3.Schema, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	if err := s.VisitJSON(v); err != nil {
		t.Errorf("%v in %s", err, body)
	}
}

func TestDocumentHasOnlyTheNamedOperations(t *testing.T) {
	b, err := openapi.Document("https://example.com", []openapi.Operation{{Name: "DeleteTags", Class: "administer"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Ipam", "NextToken", "AddressFamily"} {
		if strings.Contains(string(b), part) {
			t.Errorf("the document of DeleteTags speaks of %s", part)
		}
	}
	for _, part := range []string{"text/csv", "X-Next-Token"} {
		for _, csv := range []bool{false, true} {
			b, err := openapi.Document("", []openapi.Operation{{Name: "GetIpamAddressHistory", CSV: csv}})
			if err != nil || strings.Contains(string(b), part) != csv {
				t.Errorf("CSV %t: %v, %s", csv, err, b)
			}
		}
	}
	if _, err := openapi.Document("", []openapi.Operation{{Name: "NoSuchThing"}}); err == nil {
		t.Error("an unknown operation: no error")
	}
}
