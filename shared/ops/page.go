package ops

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

const (
	// maxOutputs is how many outputs a page has if MaxResults is not given: as
	// many as it may ask for.
	maxOutputs = 1000
	// maxPage is where a page of an answer ends, in bytes as encodedSize
	// counts them: a buffered answer of Lambda stops at 6 MB.
	maxPage = 5 << 20
	// maxScan is how many objects a page looks at. Filters that few of them
	// meet so get short pages, empty ones too, and not a request that runs for
	// minutes.
	maxScan = 100_000
	// partCost is what a part of a list counts for at least, in objects, as it takes a
	// read of its own, though there may be nothing in it.
	partCost = 20
	// atOnce is how many parts of a list are read at once; the SDK's client keeps
	// ten connections.
	atOnce = 8
)

// entry is an object of a list, nil for one that is not shown, and the position
// to go on from behind it.
type entry[T any] struct {
	object *T
	at     []string
	cost   int // what it took to look at it, in objects; 0 is 1
}

// list yields the objects of a list in order. It ends with the first error.
type list[T any] = iter.Seq2[entry[T], error]

// page is a request for a page of a list.
type page struct {
	size    int      // at most so many outputs
	limited bool     // by MaxResults
	after   []string // the position to go on from; none at the beginning
	bound   string   // digest of the request that the position belongs to
}

// newPage reads MaxResults and NextToken. size is the number of outputs of a
// page if MaxResults is not given. in is the operation's input: a token goes on
// with the request that it was given for and with no other, but for MaxResults.
// It names the caller's own objects only, and where it leads is checked like any
// input, so it needs no secret.
func newPage(ctx context.Context, operation string, in any, maxResults *int32, nextToken *string, size int) (page, error) {
	p := page{size: size, bound: digest(operation, registry.CallerFrom(ctx).Account, in)[:32]}
	if maxResults != nil {
		p.size, p.limited = int(*maxResults), true
	}
	if nextToken == nil {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*nextToken)
	if err != nil || len(b) < len(p.bound) || string(b[:len(p.bound)]) != p.bound {
		return page{}, p.invalid()
	}
	if json.Unmarshal(b[len(p.bound):], &p.after) != nil || len(p.after) == 0 {
		return page{}, p.invalid()
	}
	return p, nil
}

func (page) invalid() error {
	return ipam.Errorf(ipam.CodeInvalidNextToken, "The NextToken is not one of this request. Use the token of the page before with the same parameters, or begin again without NextToken.")
}

// token returns the NextToken that leads to what is behind a position.
func (p page) token(at []string) *string {
	position, err := json.Marshal(at)
	if err != nil {
		panic("ops: a list of strings does not marshal: " + err.Error())
	}
	return aws.String(base64.RawURLEncoding.EncodeToString(append([]byte(p.bound), position...)))
}

// afterID returns the id to go on from, "" at the beginning.
func (p page) afterID(kind ipam.IDKind) (string, error) {
	switch {
	case len(p.after) == 0:
		return "", nil
	case len(p.after) != 1 || ipam.IDKindOf(p.after[0]) != kind:
		return "", p.invalid()
	}
	return p.after[0], nil
}

// collect fills a page with the outputs of a list that match admits. The token
// is nil at the list's end.
func collect[T, Out any](p page, objects list[T], show func(*T) Out, match func(*Out) bool) (outs []Out, next *string, err error) {
	var at []string
	bytes, looked := 0, 0
	for e, err := range objects {
		if err != nil {
			return nil, nil, err
		}
		if looked += max(1, e.cost); looked > maxScan {
			return outs, p.token(at), nil
		}
		if e.object != nil {
			if out := show(e.object); match(&out) {
				bytes += encodedSize(reflect.ValueOf(out))
				if len(outs) == p.size || len(outs) > 0 && bytes > maxPage {
					return outs, p.token(at), nil
				}
				outs = append(outs, out)
			}
		}
		at = e.at
	}
	return outs, nil, nil
}

// request is what every request for a list gives, whatever is listed.
type request struct {
	operation  string
	in         any // the operation's input
	maxResults *int32
	nextToken  *string
	filters    []types.Filter
}

// answer returns the page that is asked for of the objects' outputs that the
// filters admit, and the token that leads on. It refuses, in this order, a token
// of another request, filters that are none, and what objects refuses: the
// position to go on from, and all that the operation alone asks for.
func answer[T, Out any](ctx context.Context, q request, filters derived[Out], show func(*T) Out, objects func(page) (list[T], error)) ([]Out, *string, error) {
	p, err := newPage(ctx, q.operation, q.in, q.maxResults, q.nextToken, maxOutputs)
	if err != nil {
		return nil, nil, err
	}
	match, err := filters.filter(q.filters)
	if err != nil {
		return nil, nil, err
	}
	all, err := objects(p)
	if err != nil {
		return nil, nil, err
	}
	return collect(p, all, show, match)
}

// read lists what a method of the store returns page by page, from behind the
// text after. at tells the position behind an object.
func read[T any](after string, next func(after string) ([]*T, string, error), at func(*T) []string) list[T] {
	return func(yield func(entry[T], error) bool) {
		for {
			objects, more, err := next(after)
			if err != nil {
				yield(entry[T]{}, err)
				return
			}
			for _, o := range objects {
				if !yield(entry[T]{object: o, at: at(o)}, nil) {
					return
				}
			}
			if after = more; after == "" {
				return
			}
		}
	}
}

// part is a list that read takes, among others.
type part[T any] struct {
	none  []string // the position to go on from if nothing is in it
	after string
	next  func(after string) ([]*T, string, error)
	at    func(*T) []string
}

func (p part[T]) list() list[T] { return read(p.after, p.next, p.at) }

// chain lists what is in parts, one after the other. It reads the beginnings of
// several at once, the more the more there were without filling the page: so it
// waits for few of many small parts, and reads no more than twice as many as are
// shown.
func chain[T any](parts iter.Seq2[part[T], error]) list[T] {
	type beginning struct {
		objects []*T
		more    string
		err     error
	}
	return func(yield func(entry[T], error) bool) {
		var waiting []part[T]
		n := 1
		list := func() bool {
			read := make([]beginning, len(waiting))
			var g sync.WaitGroup
			for i, p := range waiting {
				g.Go(func() { read[i].objects, read[i].more, read[i].err = p.next(p.after) })
			}
			g.Wait()
			for i, p := range waiting {
				if err := read[i].err; err != nil {
					yield(entry[T]{}, err)
					return false
				}
				if len(read[i].objects) == 0 && !yield(entry[T]{at: p.none, cost: partCost}, nil) {
					return false
				}
				for j, o := range read[i].objects {
					e := entry[T]{object: o, at: p.at(o)}
					if j == 0 {
						e.cost = partCost
					}
					if !yield(e, nil) {
						return false
					}
				}
				if p.after = read[i].more; p.after == "" {
					continue
				}
				for e, err := range p.list() {
					if !yield(e, err) || err != nil {
						return false
					}
				}
			}
			waiting, n = waiting[:0], min(2*n, atOnce)
			return true
		}
		for p, err := range parts {
			if err != nil {
				if list() {
					yield(entry[T]{}, err)
				}
				return
			}
			if waiting = append(waiting, p); len(waiting) == n && !list() {
				return
			}
		}
		list()
	}
}

// only hides those objects of a list that keep does not keep.
func only[T any](objects list[T], keep func(*T) bool) list[T] {
	return func(yield func(entry[T], error) bool) {
		for e, err := range objects {
			if e.object != nil && !keep(e.object) {
				e.object = nil
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// encodedSize returns at least the number of bytes that an output takes in an
// answer: in XML, or in JSON as Lambda escapes it once more.
func encodedSize(v reflect.Value) int {
	const item = len("<item></item>")
	n := 0
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			n = encodedSize(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return len(`\"2006-01-02T15:04:05.000Z\"`)
		}
		n = item
		for f := range fields(v.Type()) {
			if m := v.FieldByIndex(f.Index); !m.IsZero() {
				n += 2*(len(f.Name)+len("Set")) + len("<></>") + encodedSize(m)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += item + encodedSize(v.Index(i))
		}
	case reflect.String:
		for _, r := range v.String() {
			switch {
			case r < ' ' || r == '"' || r == '\\' || r == '&' || r == '<' || r == '>' || r == '\'' || r == 0xFFFD:
				n += len(`\\u0000`)
			default:
				n += len(string(r))
			}
		}
	case reflect.Float64:
		n = len("-2.2250738585072014e-308")
	default:
		n = len("-2147483648")
	}
	return n
}

// fields yields the exported fields of a struct type.
func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}

// kind is what the operations on a kind of lifecycle object have in common.
type kind[T any] struct {
	id     ipam.IDKind
	meta   func(*T) *ipam.Meta
	byID   func(context.Context, []string) ([]*T, error)
	after  func(ctx context.Context, owner, after string, limit int) ([]*T, string, error)
	modify func(ctx context.Context, id string, act ipam.Act, change func(*T) error) (*T, error)
	see    func(context.Context, *T) error // refuses what does not exist for the caller; nil: all but its own
}

// find returns the objects with the given ids, of which all must exist for the
// caller.
func (k kind[T]) find(ctx context.Context, parameter string, ids []string) ([]*T, error) {
	for _, id := range ids {
		if _, err := checkID(k.id, parameter, &id); err != nil {
			return nil, err
		}
	}
	objects, err := k.byID(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool, len(objects))
	for _, o := range objects {
		if k.see != nil {
			found[k.meta(o).ID] = k.see(ctx, o) == nil
		} else {
			found[k.meta(o).ID] = own(ctx, k.meta(o)) == nil
		}
	}
	for _, id := range ids {
		if !found[id] {
			return nil, ipam.NotFound(id)
		}
	}
	return objects, nil
}

// batch is how many objects are read at once.
const batch = 100

// owned lists the caller's objects of the kind, by ascending id from behind
// after.
func (k kind[T]) owned(ctx context.Context, after string) list[T] {
	return read(after, func(after string) ([]*T, string, error) {
		return k.after(ctx, registry.CallerFrom(ctx).Account, after, batch)
	}, func(o *T) []string { return []string{k.meta(o).ID} })
}

// list lists the caller's objects, or those with the ids that are asked for
// under the parameter's name.
func (k kind[T]) list(ctx context.Context, p page, parameter string, ids []string) (list[T], error) {
	after, err := p.afterID(k.id)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return k.owned(ctx, after), nil
	}
	if p.limited {
		return nil, idsWithMaxResults(parameter)
	}
	objects, err := k.find(ctx, parameter, ids)
	return k.behind(after, objects), err
}

// behind lists objects, sorted by id, from behind the id after.
func (k kind[T]) behind(after string, objects []*T) list[T] {
	return func(yield func(entry[T], error) bool) {
		for _, o := range objects {
			if id := k.meta(o).ID; id > after && !yield(entry[T]{object: o, at: []string{id}}, nil) {
				return
			}
		}
	}
}

func idsWithMaxResults(parameter string) error {
	return combination("The parameter %s may not be used in combination with MaxResults. Leave MaxResults out: what is asked for by id is answered.", parameter)
}
