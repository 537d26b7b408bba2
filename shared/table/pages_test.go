package table_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// pager answers queries with pages of sort keys, and then with err.
type pager struct {
	table.Table
	pages [][]string
	err   error
	after []string // After of each query
}

func (p *pager) Query(_ context.Context, q table.Query) ([]table.Row, string, error) {
	p.after = append(p.after, q.After)
	n := len(p.after)
	if n > len(p.pages) {
		return nil, "", p.err
	}
	var rows []table.Row
	for _, sk := range p.pages[n-1] {
		rows = append(rows, table.Row{Key: table.Key{PK: q.PK, SK: sk}})
	}
	if n == len(p.pages) && p.err == nil {
		return rows, "", nil
	}
	return rows, fmt.Sprint("after page ", n), nil
}

func TestRows(t *testing.T) {
	failure := errors.New("failure")
	for _, c := range []struct {
		name  string
		pages [][]string
		err   error
		stop  string // the row after which the caller stops, "" for none
		rows  []string
		after []string
	}{
		{"an empty answer", [][]string{{}}, nil, "", nil, []string{""}},
		{"one answer", [][]string{{"a", "b"}}, nil, "", []string{"a", "b"}, []string{""}},
		{"two answers", [][]string{{"a"}, {"b"}}, nil, "", []string{"a", "b"}, []string{"", "after page 1"}},
		{"an answer without rows between others", [][]string{{"a"}, {}, {"b"}}, nil, "", []string{"a", "b"}, []string{"", "after page 1", "after page 2"}},
		{"the caller stops inside an answer", [][]string{{"a", "b"}, {"c"}}, nil, "a", []string{"a"}, []string{""}},
		{"the caller stops at an answer's end", [][]string{{"a", "b"}, {"c"}}, nil, "b", []string{"a", "b"}, []string{""}},
		{"the first query fails", nil, failure, "", nil, []string{""}},
		{"the second query fails", [][]string{{"a"}}, failure, "", []string{"a"}, []string{"", "after page 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &pager{pages: c.pages, err: c.err}
			var rows []string
			var failed error
			for r, err := range table.Rows(t.Context(), p, table.Query{PK: "p"}) {
				if failed != nil {
					t.Error("there are more rows after the error")
				}
				if failed = err; err != nil {
					continue
				}
				rows = append(rows, r.Key.SK)
				if r.Key.SK == c.stop {
					break
				}
			}
			if !slices.Equal(rows, c.rows) || !errors.Is(failed, c.err) {
				t.Errorf("rows %v, error %v; want %v, %v", rows, failed, c.rows, c.err)
			}
			if !slices.Equal(p.after, c.after) {
				t.Errorf("queries after %q, want %q", p.after, c.after)
			}
		})
	}
}
