package migration

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// record is a row of a CSV file.
type record struct {
	line  int // of the row's first character
	cells []string
	fault string // the reason for which the row cannot be read
}

// blank reports whether all cells are empty.
func (r record) blank() bool {
	for _, c := range r.cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return r.fault == ""
}

// scan yields the rows of a CSV text (RFC 4180), with any delimiter and line end. It goes
// on behind a row that it cannot read. Quotes inside a cell without quotes are characters
// of the cell, as Excel takes them.
func scan(text string, comma byte) iter.Seq[record] {
	return func(yield func(record) bool) {
		for at, line := 0, 1; at < len(text); {
			r, next := scanRecord(text[at:], comma)
			r.line = line
			line += countLines(text[at : at+next])
			at += next
			if !yield(r) {
				return
			}
		}
	}
}

// countLines counts line ends: LF, CR LF, or CR alone.
func countLines(s string) int {
	return strings.Count(s, "\n") + strings.Count(s, "\r") - strings.Count(s, "\r\n")
}

// scanRecord reads the row at the beginning of text, and returns the place behind it.
func scanRecord(text string, comma byte) (r record, next int) {
	for at := 0; ; {
		cell, end, fault := scanCell(text[at:], comma)
		if fault != "" {
			end := lineEnd(text)
			return record{cells: []string{text[:end]}, fault: fault}, end + lineBreak(text[end:])
		}
		r.cells = append(r.cells, cell)
		at += end
		if at < len(text) && text[at] == comma {
			at++
			continue
		}
		return r, at + lineBreak(text[at:])
	}
}

// scanCell reads a cell, and returns the place of the delimiter or line end behind it.
func scanCell(text string, comma byte) (cell string, end int, fault string) {
	if text == "" || text[0] != '"' {
		end := strings.IndexAny(text, string([]byte{comma, '\r', '\n'}))
		if end < 0 {
			end = len(text)
		}
		return text[:end], end, ""
	}
	var b strings.Builder
	for at := 1; ; {
		i := strings.IndexByte(text[at:], '"')
		if i < 0 {
			return "", 0, "A quotation mark opens a cell, and none closes it."
		}
		b.WriteString(text[at : at+i])
		at += i + 1
		switch {
		case at == len(text) || text[at] == comma || text[at] == '\r' || text[at] == '\n':
			return b.String(), at, ""
		case text[at] == '"':
			b.WriteByte('"')
			at++
		default:
			return "", 0, "A cell goes on behind its closing quotation mark."
		}
	}
}

// lineEnd returns the length of the text's first line without its line end.
func lineEnd(text string) int {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return i
	}
	return len(text)
}

// lineBreak returns the length of the line end at the beginning of text.
func lineBreak(text string) int {
	switch {
	case strings.HasPrefix(text, "\r\n"):
		return 2
	case text != "":
		return 1
	}
	return 0
}

// decodeText returns the text of a file that a spreadsheet wrote: UTF-8, UTF-16 with a
// byte order mark, or else Windows-1252.
func decodeText(b []byte) string {
	if rest, ok := bytes.CutPrefix(b, []byte("\xef\xbb\xbf")); ok {
		b = rest
	} else if rest, ok := bytes.CutPrefix(b, []byte("\xff\xfe")); ok {
		return decodeUTF16(rest, func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 })
	} else if rest, ok := bytes.CutPrefix(b, []byte("\xfe\xff")); ok {
		return decodeUTF16(rest, func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 })
	}
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		switch {
		case c >= 0x80 && c < 0xa0:
			s.WriteRune([]rune(windows1252)[c-0x80])
		default:
			s.WriteRune(rune(c)) // the same as in Unicode
		}
	}
	return s.String()
}

// windows1252 has the characters 0x80 to 0x9f of the code page. Those that it leaves open
// are U+FFFD.
const windows1252 = "€\uFFFD‚ƒ„…†‡ˆ‰Š‹Œ\uFFFDŽ\uFFFD\uFFFD‘’“”•–—˜™š›œ\uFFFDžŸ"

func decodeUTF16(b []byte, unit func([]byte) uint16) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, unit(b))
	}
	return string(utf16.Decode(units))
}

// delimiters are the possible delimiters, the most likely first.
const delimiters = ",;\t|"

// findDelimiter returns the delimiter of a text, and the text without a first line that
// names it, such as sep=;. It is the one that divides the first line into most cells.
func findDelimiter(text string) (comma byte, rest string, skipped int) {
	first := text[:lineEnd(text)]
	if name, ok := strings.CutPrefix(strings.Trim(first, `"`), "sep="); ok && len(name) == 1 && strings.Contains(delimiters, name) {
		return name[0], text[len(first)+lineBreak(text[len(first):]):], 1
	}
	comma = delimiters[0]
	most := 0
	for i := range len(delimiters) {
		if r, _ := scanRecord(text, delimiters[i]); r.fault == "" && len(r.cells) > most {
			comma, most = delimiters[i], len(r.cells)
		}
	}
	return comma, text, 0
}
