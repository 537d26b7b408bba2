package listing

import (
	"fmt"
	"testing"
)

// A page ends after so many objects, admitted or not, and the next one continues.
func TestPageEndsAfterSoManyObjects(t *testing.T) {
	numbers := func(from int) List[int] {
		return func(yield func(Entry[int], error) bool) {
			for i := from; i < 2*MaxCost+10; i++ {
				if !yield(Entry[int]{Object: &i, Position: []string{fmt.Sprint(i)}}, nil) {
					return
				}
			}
		}
	}
	var token *string
	var found, sizes []int
	for {
		p, err := NewPage("digest", nil, token, 1000)
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		if p.After != nil {
			fmt.Sscan(p.After[0], &from)
			from++
		}
		page, next, err := Collect(p, numbers(from), func(i *int) int { return *i }, func(i *int) bool { return *i == 7 || *i == 2*MaxCost })
		if err != nil {
			t.Fatal(err)
		}
		found, sizes = append(found, page...), append(sizes, len(page))
		if token = next; next == nil {
			break
		}
	}
	if fmt.Sprint(found, sizes) != fmt.Sprint([]int{7, 2 * MaxCost}, []int{1, 0, 1}) {
		t.Errorf("found %v in pages of %v", found, sizes)
	}
}
