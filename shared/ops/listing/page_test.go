package listing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
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
		page, next, err := Collect(t.Context(), p, numbers(from), func(i *int) int { return *i }, func(i *int) (bool, int) { return *i == 7 || *i == 2*MaxCost, 0 })
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

// The work of filters counts towards the page: 200 patterns that almost match, on texts of
// 255 characters, make pages of 1,915 objects and not of 100,000.
func TestFilterWorkCountsTowardsThePage(t *testing.T) {
	almost := strings.Repeat("*a", 64) + "b"
	values := make([]string, 200)
	for i := range values {
		values[i] = almost
	}
	description := strings.Repeat("a", 255)
	match, err := Filters[types.IpamPoolAllocation]{}.Match([]types.Filter{{Name: new("description"), Values: values}})
	if err != nil {
		t.Fatal(err)
	}
	const objects = 5000
	looked, sizes := 0, []int{}
	for from, more := 0, true; more; {
		p, err := NewPage("digest", nil, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		before := looked
		list := func(yield func(Entry[int], error) bool) {
			for i := from; i < objects; i++ {
				if !yield(Entry[int]{Object: &i, Position: []string{fmt.Sprint(i)}}, nil) {
					return
				}
			}
		}
		outs, next, err := Collect(t.Context(), p, list, func(*int) types.IpamPoolAllocation {
			looked++
			return types.IpamPoolAllocation{Description: &description}
		}, match)
		if err != nil || len(outs) > 0 {
			t.Fatal(outs, err)
		}
		sizes = append(sizes, looked-before)
		if more = next != nil; more {
			p, err := NewPage("digest", nil, next, 1000)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Sscan(p.After[0], &from)
			from++
		}
	}
	if looked != objects || !slices.Equal(sizes, []int{1915, 1915, 1170}) {
		t.Errorf("%d objects in pages of %v", looked, sizes)
	}
}

// A page looks at one object at least, at any cost.
func TestPageLooksAtOneObject(t *testing.T) {
	p, err := NewPage("digest", nil, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	list := func(yield func(Entry[int], error) bool) {
		for i := range 3 {
			if !yield(Entry[int]{Object: &i, Position: []string{fmt.Sprint(i)}, Cost: 2 * MaxCost}, nil) {
				return
			}
		}
	}
	outs, next, err := Collect(t.Context(), p, list, func(i *int) int { return *i }, func(*int) (bool, int) { return true, 1e12 })
	if err != nil || !slices.Equal(outs, []int{0}) || next == nil {
		t.Errorf("%v, %v, %v", outs, next, err)
	}
}

// A list ends with its context, also if nothing in it reads the table.
func TestCollectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := NewPage("digest", nil, nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	list := func(yield func(Entry[int], error) bool) {
		for i := range 1000 {
			if !yield(Entry[int]{Object: &i, Position: []string{"x"}}, nil) {
				return
			}
		}
	}
	outs, next, err := Collect(ctx, p, list, func(i *int) int { return *i }, func(*int) (bool, int) {
		if looked++; looked == 3 {
			cancel()
		}
		return true, 0
	})
	if outs != nil || next != nil || !errors.Is(err, context.Canceled) || looked != 3 {
		t.Errorf("%v, %v, %v after %d objects", outs, next, err, looked)
	}
}
