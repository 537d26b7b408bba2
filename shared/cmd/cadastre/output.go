package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cadastre-ipam/cadastre/shared/wire/csvrows"
)

// format is the value of the flag --output.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatCSV   format = "csv"
)

var formats = []string{string(formatTable), string(formatJSON), string(formatCSV)}

// String returns the format's name.
func (f *format) String() string { return string(*f) }

// Set takes the name of a format and refuses any other text.
func (f *format) Set(s string) error {
	if !slices.Contains(formats, s) {
		return fmt.Errorf("%q is no format; use %s", s, strings.Join(formats, ", "))
	}
	*f = format(s)
	return nil
}

// Type returns the word for the value in help texts.
func (f *format) Type() string { return "format" }

// column is a column of a list of T in tables and CSV.
type column[T any] struct {
	name  string
	value func(T) string
}

// printList prints a list: as a table for a terminal, which is empty for an empty list,
// as a JSON array, or as CSV with a header row (RFC 4180).
func printList[T any](w io.Writer, f format, list []T, columns []column[T]) error {
	switch f {
	case formatJSON:
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if list == nil {
			list = []T{}
		}
		return e.Encode(list)
	case formatCSV:
		header := row(columns, func(c column[T]) string { return c.name })
		return csvrows.Write(w, header, func(yield func([]string) bool) {
			for _, item := range list {
				if !yield(row(columns, func(c column[T]) string { return c.value(item) })) {
					return
				}
			}
		})
	case formatTable:
	}
	if len(list) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells []string) { fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")) }
	line(row(columns, func(c column[T]) string { return strings.ToUpper(c.name) }))
	for _, item := range list {
		line(row(columns, func(c column[T]) string { return oneLine(c.value(item)) }))
	}
	return t.Flush()
}

func row[T any](columns []column[T], value func(column[T]) string) []string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = value(c)
	}
	return cells
}

// oneLine returns a text without control characters, which could move a terminal's
// cursor or break a table.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
