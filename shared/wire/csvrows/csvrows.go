// Package csvrows writes lists as CSV with a header row (RFC 4180).
package csvrows

import (
	"encoding/csv"
	"io"
	"iter"
	"strings"
)

// Write writes a header and rows, as UTF-8 with CRLF at each row's end. No spreadsheet takes
// a value of a row for a formula; see [Inert]. It changes the rows that it gets.
func Write(w io.Writer, header []string, rows iter.Seq[[]string]) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	_ = c.Write(header) // Error has it
	for row := range rows {
		for i, value := range row {
			row[i] = Inert(value)
		}
		_ = c.Write(row)
	}
	c.Flush()
	return c.Error()
}

// formulaBegins holds the characters with which a spreadsheet takes a text to be a formula.
const formulaBegins = "=+-@\t\r"

// Inert returns a text that no spreadsheet takes for a formula. Anyone who may tag a
// resource writes its name (OWASP, "CSV Injection").
func Inert(s string) string {
	if s != "" && strings.ContainsRune(formulaBegins, rune(s[0])) {
		return "'" + s
	}
	return s
}
