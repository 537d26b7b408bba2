package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// CloudFormation's own properties of a custom resource.
var reserved = []string{"ServiceToken", "ServiceTimeout"}

// decode reads the properties of a custom resource into a struct. The struct's exported
// fields, and those of embedded structs, are the properties. Fields are strings, pointers
// to bool, int32 and structs, lists of structs, and maps, which are lists of Key and
// Value in a template. A field's tag cfn holds the property's name, if it is not the
// field's, and ",required" if the property must be given.
//
// CloudFormation turns every single value into a string, such as "24" and "true". decode
// reads the string as the field's type, and accepts the JSON value, too. An empty string
// means that the property is not given, so that a template can pass on a parameter
// without a value. Everything else is refused with an *ipam.Error that names the
// property.
func decode(resourceType string, properties map[string]any, into any) error {
	given := maps.Clone(properties)
	for _, name := range reserved {
		delete(given, name)
	}
	return decoder{resourceType}.object("", given, reflect.ValueOf(into).Elem())
}

type decoder struct{ resourceType string }

func (d decoder) object(path string, value any, into reflect.Value) error {
	members, ok := value.(map[string]any)
	if !ok {
		return wrong(path, "an object", value)
	}
	fields := propertiesOf(into.Type())
	for _, name := range slices.Sorted(maps.Keys(members)) {
		p, ok := fields[name]
		if !ok {
			return ipam.Errorf(ipam.CodeUnknownParameter, "The property %s is not one of %s, which are %s.",
				schema.Excerpt(path+name), d.of(path), strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := d.value(path+name, members[name], into.FieldByIndex(p.index)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if p := fields[name]; p.required && into.FieldByIndex(p.index).IsZero() {
			return ipam.Errorf(ipam.CodeMissingParameter, "The property %s of %s is required and not given.", path+name, d.resourceType)
		}
	}
	return nil
}

type property struct {
	index    []int // of the field
	required bool
}

// propertiesOf returns the properties of a struct type, by name.
func propertiesOf(t reflect.Type) map[string]property {
	properties := map[string]property{}
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous {
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("cfn"), ",")
		if name == "" {
			name = f.Name
		}
		properties[name] = property{f.Index, option == "required"}
	}
	return properties
}

// of names the object that the properties under a path belong to.
func (d decoder) of(path string) string {
	if path == "" {
		return d.resourceType
	}
	return strings.TrimSuffix(path, ".") + " of " + d.resourceType
}

func (d decoder) value(path string, value any, into reflect.Value) error {
	if value == nil || value == "" {
		return nil
	}
	switch into.Kind() {
	case reflect.Pointer:
		p := reflect.New(into.Type().Elem())
		if err := d.value(path, value, p.Elem()); err != nil {
			return err
		}
		into.Set(p)
	case reflect.Struct:
		return d.object(path+".", value, into)
	case reflect.String:
		s, ok := value.(string)
		if !ok {
			return wrong(path, "a string", value)
		}
		if err := schema.CheckText(path, s); err != nil {
			return err
		}
		into.SetString(s)
	case reflect.Bool:
		b, ok := schema.ParseBoolean(fmt.Sprint(value))
		if !ok {
			return wrong(path, "true or false", value)
		}
		into.SetBool(b)
	case reflect.Int32:
		n, ok := schema.ParseInteger(fmt.Sprint(value), 32)
		if !ok {
			return wrong(path, "a whole number", value)
		}
		into.SetInt(n)
	case reflect.Slice:
		return d.list(path, value, into)
	case reflect.Map:
		return d.pairs(path, value, into)
	default:
		panic(fmt.Sprintf("customresource: the property %s has the type %s", path, into.Type()))
	}
	return nil
}

func (d decoder) list(path string, value any, into reflect.Value) error {
	items, ok := value.([]any)
	if !ok {
		return wrong(path, "a list", value)
	}
	for i, item := range items {
		e := reflect.New(into.Type().Elem()).Elem()
		if err := d.object(fmt.Sprintf("%s[%d].", path, i), item, e); err != nil {
			return err
		}
		into.Set(reflect.Append(into, e))
	}
	return nil
}

func (d decoder) pairs(path string, value any, into reflect.Value) error {
	var list []struct {
		Key   string `cfn:",required"`
		Value string
	}
	if err := d.list(path, value, reflect.ValueOf(&list).Elem()); err != nil {
		return err
	}
	pairs := make(map[string]string, len(list))
	for i, e := range list {
		if _, twice := pairs[e.Key]; twice {
			return ipam.Errorf(ipam.CodeInvalidParameterValue, "The property %s[%d].Key is %q, which the list has already. Give each key once.", path, i, schema.Excerpt(e.Key))
		}
		pairs[e.Key] = e.Value
	}
	into.Set(reflect.ValueOf(pairs))
	return nil
}

func wrong(path, want string, value any) error {
	is := fmt.Sprint(value)
	switch v := value.(type) {
	case string:
		is = strconv.Quote(schema.Excerpt(v))
	case []any:
		is = "a list"
	case map[string]any:
		is = "an object"
	}
	return ipam.Errorf(ipam.CodeInvalidParameterValue, "The property %s must be %s and is %s.", strings.TrimSuffix(path, "."), want, is)
}
