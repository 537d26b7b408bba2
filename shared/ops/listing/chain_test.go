package listing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A chain has the objects of its parts in order, read whole or in pages, up to the
// part that fails; and it reads at most twice as many parts as a page looks at.
func TestChainIsItsParts(t *testing.T) {
	type object struct{ part, n int }
	errBroken := errors.New("broken")
	r := rand.New(rand.NewPCG(3, 4))
	failed := 0
	for range 300 {
		sizes := make([]int, r.IntN(40))
		broken := r.IntN(40) // of this part the second object cannot be read, if there are both
		var want []object
		var wantErr error
		for i := range sizes {
			if r.IntN(2) == 0 {
				sizes[i] = r.IntN(4)
			}
			for n := range sizes[i] {
				if i == broken && n == 1 {
					wantErr = errBroken
				}
				if wantErr == nil {
					want = append(want, object{i, n})
				}
			}
		}
		var reads atomic.Int32
		from := func(first, after int) List[object] {
			return Chain(func(yield func(Part[object], error) bool) {
				for i := first; i < len(sizes); i++ {
					p := Part[object]{
						Empty:    []string{fmt.Sprint(i + 1), "0"},
						Position: func(o *object) []string { return []string{fmt.Sprint(o.part), fmt.Sprint(o.n + 1)} },
						Next: func(after string) ([]*object, string, error) {
							reads.Add(1)
							n := 0
							fmt.Sscan(after, &n)
							switch {
							case i == broken && n == 1 && sizes[i] > 1:
								return nil, "", errBroken
							case n >= sizes[i]:
								return nil, "", nil
							case n+1 == sizes[i]:
								return []*object{{i, n}}, "", nil
							}
							return []*object{{i, n}}, fmt.Sprint(n + 1), nil
						},
					}
					if i == first && after > 0 {
						p.After = fmt.Sprint(after)
					}
					if !yield(p, nil) {
						return
					}
				}
			})
		}
		for _, size := range []int{1, 1 + r.IntN(9), 1000} {
			var got []object
			var err error
			first, after := 0, 0
			for more := true; more && err == nil; {
				looked := 0
				more = false
				reads.Store(0)
				for e, failure := range from(first, after) {
					if err = failure; err != nil {
						break
					}
					if e.Object != nil {
						got = append(got, *e.Object)
					}
					fmt.Sscan(strings.Join(e.Position, " "), &first, &after)
					if looked++; looked == size {
						more = true
						break
					}
				}
				if most := int32(2*looked + 1); reads.Load() > most {
					t.Fatalf("of %v, %d reads for %d", sizes, reads.Load(), looked)
				}
			}
			if !slices.Equal(got, want) || !errors.Is(err, wantErr) {
				t.Fatalf("of %v, %d broken, in pages of %d: %v, %v; want %v, %v", sizes, broken, size, got, err, want, wantErr)
			}
		}
		if wantErr != nil {
			failed++
		}
	}
	if failed < 20 {
		t.Errorf("only %d could not be read to the end: the test tries too little", failed)
	}
}
