package ops

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// digest returns a digest of what is asked for in the structs and strings. It is
// the same for the same members and values but those aside, whatever protocol
// they came by.
func digest(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		canonical(h, reflect.ValueOf(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// aside are the members of inputs that are no part of what is asked for: they
// say which page of it, which attempt, or whether to do it at all.
var ignoredMembers = []string{"ClientToken", "DryRun", "MaxResults", "NextToken"}

// canonical writes v such that different values give different texts. Members
// and lists that are absent or empty are the same.
func canonical(w io.Writer, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		canonical(w, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !absent(v.Field(i)) && !slices.Contains(ignoredMembers, f.Name) {
				fmt.Fprintf(w, "%s{", f.Name)
				canonical(w, v.Field(i))
				io.WriteString(w, "}")
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			io.WriteString(w, "[")
			canonical(w, v.Index(i))
			io.WriteString(w, "]")
		}
	case reflect.String:
		fmt.Fprintf(w, "%q", v.String())
	default:
		fmt.Fprint(w, v.Interface())
	}
}

// missing reports whether a member of an input or output is not there: SDK
// types have pointers, lists and enumerations.
func absent(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}
