package ops

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
)

// digest returns a digest of requests and texts. Two requests with the same members and
// values have the same digest, in any protocol, but for the members of ignoredMembers.
// All lists of requests are sets (filters and their values, tags, ids, CIDRs, Regions), so
// neither the order nor a repetition makes a difference.
func digest(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(canonical(nil, reflect.ValueOf(p)))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ignoredMembers are the members of inputs that do not change the result: the page, the
// attempt, and whether to carry out the request at all.
var ignoredMembers = []string{"ClientToken", "DryRun", "MaxResults", "NextToken"}

// canonical appends a text of v to b. Different values have different texts. Members and
// lists that are absent or empty are the same.
func canonical(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Pointer:
		return canonical(b, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !absent(v.Field(i)) && !slices.Contains(ignoredMembers, f.Name) {
				b = append(append(b, f.Name...), '{')
				b = append(canonical(b, v.Field(i)), '}')
			}
		}
		return b
	case reflect.Slice:
		elements := make([][]byte, v.Len())
		for i := range elements {
			elements[i] = canonical(nil, v.Index(i))
		}
		slices.SortFunc(elements, bytes.Compare)
		for _, e := range slices.CompactFunc(elements, bytes.Equal) {
			b = append(append(append(b, '['), e...), ']')
		}
		return b
	case reflect.String:
		return fmt.Appendf(b, "%q", v.String())
	default:
		return fmt.Append(b, v.Interface())
	}
}

// absent reports whether a member of an input is absent: the members of SDK types are
// pointers, lists and enumerations.
func absent(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}
