package schema_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Every operation of the model binds to the SDK's types, and the types have no
// member that the model lacks. So both have the same version.
func TestModelAndSDKAgree(t *testing.T) {
	got := 0
	for _, o := range schema.Operations() {
		if !o.Own {
			got++
		}
	}
	if got != len(client.Operations()) || got != 98 {
		t.Fatalf("the table has %d operations of the EC2 API, the SDK's list %d, and the model 98", got, len(client.Operations()))
	}
	for _, o := range client.Operations() {
		in, err := schema.Input(o.Name, reflect.TypeOf(o.NewInput()))
		if err != nil {
			t.Error(err)
			continue
		}
		sameMembers(t, in, reflect.TypeOf(o.NewInput()))
		out, err := schema.Output(o.Name, reflect.TypeOf(o.NewOutput()))
		if err != nil {
			t.Error(err)
		} else if out != nil {
			sameMembers(t, out, reflect.TypeOf(o.NewOutput()))
		}
	}
}

func sameMembers(t *testing.T, b *schema.Binding, typ reflect.Type) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if b.Shape.Kind == schema.List {
		sameMembers(t, b.Elem, typ)
		return
	}
	if b.Shape.Kind != schema.Structure {
		return
	}
	planned := map[string]bool{"ResultMetadata": true}
	for _, f := range b.Fields {
		planned[f.Name] = true
		sameMembers(t, f.Binding, typ.Field(f.Index).Type)
	}
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() && !planned[f.Name] {
			t.Errorf("the model's %s lacks %s of %s", b.Shape.Name, f.Name, typ)
		}
	}
}

func TestInputRefusesTypes(t *testing.T) {
	type lacks struct{ DryRun *bool }
	type wrong struct {
		IpamIds int
	}
	for _, c := range []struct {
		operation string
		t         reflect.Type
		want      string
	}{
		{"NoSuchThing", reflect.TypeFor[lacks](), "no such operation"},
		{"DescribeIpams", reflect.TypeFor[lacks](), "has no field"},
		{"DescribeIpams", reflect.TypeFor[string](), "cannot hold"},
	} {
		if _, err := schema.Input(c.operation, c.t); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Input(%s, %s): got %v, want an error with %q", c.operation, c.t, err, c.want)
		}
	}
	if _, err := schema.Output("NoSuchThing", reflect.TypeFor[wrong]()); err == nil {
		t.Error("Output of an unknown operation: no error")
	}
}
