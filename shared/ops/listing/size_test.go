package listing_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/listing"
	"github.com/cadastre-ipam/cadastre/shared/wire/awsjson"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// The size of an output is never less than its bytes in the answer, in both protocols,
// and not far more for ordinary texts.
func TestEncodedSizeIsAnUpperBound(t *testing.T) {
	answer := func(name string, out any) (xml, escaped int) {
		x, err := ec2query.Encode(name, "id", out)
		if err != nil {
			t.Fatal(err)
		}
		j, err := awsjson.Encode(name, out)
		if err != nil {
			t.Fatal(err)
		}
		e, err := json.Marshal(string(j)) // as Lambda escapes an answer's body, and more
		if err != nil {
			t.Fatal(err)
		}
		return len(x), len(e)
	}
	texts := []string{"", "plain text", `"\<>&'`, "\x00\x01\t\n\r", "日本語 ü", string([]byte{0xff, 0xfe}), "\uFFFD\u2028", strings.Repeat(`"`, 1000)}
	for _, o := range ops.New(nil, nil).Operations() {
		if !o.Paginated {
			continue
		}
		model, _ := schema.Lookup(o.Name)
		for _, text := range texts {
			out := reflect.New(o.OutType)
			wiretest.Fill(out.Interface(), schema.At(model.Output))
			var list reflect.Value
			own := 0 // of the list's own element
			for f := range listing.Fields(o.OutType) {
				if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
					list, own = out.Elem().FieldByIndex(f.Index), len("<></>")+2*(len(f.Name)+len("Set"))
				}
			}
			for i := range list.Len() {
				setTexts(list.Index(i), text)
			}
			size := 0
			for i := range list.Len() {
				size += listing.EncodedSize(list.Index(i))
			}
			xml, escaped := answer(o.Name, out.Interface())
			list.SetZero()
			xml0, escaped0 := answer(o.Name, out.Interface())
			if most := max(xml-xml0, escaped-escaped0); most > size+own {
				t.Errorf("%s with %q: %d bytes, measured as %d", o.Name, text, most, size)
			} else if text == "plain text" && size > most*3/2 {
				t.Errorf("%s with %q: %d bytes, measured as %d, which is far too much", o.Name, text, most, size)
			}
		}
	}
}

// setTexts sets all strings in v that are not enumerations.
func setTexts(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		setTexts(v.Elem(), text)
	case reflect.Struct:
		for f := range listing.Fields(v.Type()) {
			setTexts(v.FieldByIndex(f.Index), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			setTexts(v.Index(i), text)
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(text)
		}
	}
}
