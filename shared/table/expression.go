package table

import (
	"sort"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// expressions collects the names and values in one write's expressions.
type expressions struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

func (x *expressions) name(attr string) string {
	for alias, a := range x.names {
		if a == attr {
			return alias
		}
	}
	if x.names == nil {
		x.names = map[string]string{}
	}
	alias := "#" + strconv.Itoa(len(x.names))
	x.names[alias] = attr
	return alias
}

func (x *expressions) value(v types.AttributeValue) string {
	if x.values == nil {
		x.values = map[string]types.AttributeValue{}
	}
	alias := ":" + strconv.Itoa(len(x.values))
	x.values[alias] = v
	return alias
}

func (x *expressions) condition(c Cond) *string {
	var parts []string
	if c.Absent {
		absent := "attribute_not_exists(" + x.name(AttrPK) + ")"
		if c.ExpiredBefore > 0 {
			absent = "(" + absent + " OR " + x.name(AttrExpires) + " < " + x.value(Num(c.ExpiredBefore)) + ")"
		}
		parts = append(parts, absent)
	}
	if c.Present {
		parts = append(parts, "attribute_exists("+x.name(AttrPK)+")")
	}
	for _, attr := range sorted(c.Equal) {
		parts = append(parts, x.name(attr)+" = "+x.value(c.Equal[attr]))
	}
	for _, attr := range c.Missing {
		parts = append(parts, "attribute_not_exists("+x.name(attr)+")")
	}
	for _, attr := range sorted(c.In) {
		values := make([]string, len(c.In[attr]))
		for i, v := range c.In[attr] {
			values[i] = x.value(Str(v))
		}
		parts = append(parts, x.name(attr)+" IN ("+strings.Join(values, ", ")+")")
	}
	for _, attr := range sorted(c.Below) {
		parts = append(parts, x.name(attr)+" < "+x.value(Num(c.Below[attr])))
	}
	if len(parts) == 0 {
		return nil
	}
	return aws.String(strings.Join(parts, " AND "))
}

func (x *expressions) update(w Write) string {
	var sets, adds, removes []string
	for _, attr := range sorted(w.Set) {
		sets = append(sets, x.name(attr)+" = "+x.value(w.Set[attr]))
	}
	for _, attr := range sorted(w.Add) {
		adds = append(adds, x.name(attr)+" "+x.value(Num(w.Add[attr])))
	}
	for _, attr := range w.Remove {
		removes = append(removes, x.name(attr))
	}
	var clauses []string
	for _, c := range []struct {
		verb  string
		parts []string
	}{{"SET ", sets}, {"ADD ", adds}, {"REMOVE ", removes}} {
		if len(c.parts) > 0 {
			clauses = append(clauses, c.verb+strings.Join(c.parts, ", "))
		}
	}
	return strings.Join(clauses, " ")
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
