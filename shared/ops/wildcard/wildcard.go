// Package wildcard matches texts against patterns. A * matches any number of characters,
// none too, and a ? matches one character.
package wildcard

import "slices"

// Pattern is a parsed pattern. It does not change, so it is safe for concurrent use.
// The zero Pattern matches the empty text only.
type Pattern struct {
	literal  string    // the text to be equal to; only if segments is nil
	segments []segment // the parts between the stars, at least one; the first and the last may be empty
	words    int       // of the longest segment
}

// Parse reads a pattern. No character in it takes the meaning from * or ?.
func Parse(pattern string) Pattern { return parse(pattern, false) }

// ParseEscaped reads a pattern in which \ takes the meaning from a *, ? or \ that
// follows it. Before any other character, \ is itself.
func ParseEscaped(pattern string) Pattern { return parse(pattern, true) }

const (
	anyNumber rune = -1 - iota
	anyOne
)

func parse(pattern string, escapes bool) Pattern {
	runes, wild := scan(pattern, escapes)
	if !wild {
		return Pattern{literal: string(runes)}
	}
	p := Pattern{}
	for {
		i := slices.Index(runes, anyNumber)
		if i < 0 {
			return p.with(runes)
		}
		p = p.with(runes[:i])
		runes = runes[i+1:]
	}
}

// scan returns the characters of a pattern, with anyNumber for * and anyOne for ?, and
// whether it has any of these.
func scan(pattern string, escapes bool) (runes []rune, wild bool) {
	runes = make([]rune, 0, len(pattern))
	escaped := false
	for _, r := range pattern {
		switch {
		case escapes && !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == '*':
			r, wild = anyNumber, true
		case !escaped && r == '?':
			r, wild = anyOne, true
		case escaped && r != '*' && r != '?' && r != '\\':
			runes = append(runes, '\\')
		}
		escaped = false
		runes = append(runes, r)
	}
	if escaped {
		runes = append(runes, '\\')
	}
	return runes, wild
}

func (p Pattern) with(runes []rune) Pattern {
	s := newSegment(runes)
	p.segments, p.words = append(p.segments, s), max(p.words, s.words())
	return p
}

// Match reports whether the pattern matches the whole text, character by character
// and case-sensitively. It takes time in proportion to the text's length, once for
// each 64 characters of the pattern's longest part without a *.
func (p Pattern) Match(text string) bool {
	if p.segments == nil {
		return text == p.literal
	}
	return p.match([]rune(text))
}

func (p Pattern) match(text []rune) bool {
	first, last := p.segments[0], p.segments[len(p.segments)-1]
	if !first.begins(text) {
		return false
	}
	if len(p.segments) == 1 {
		return len(text) == len(first.runes)
	}
	if text = text[len(first.runes):]; len(text) < len(last.runes) {
		return false
	}
	end := len(text) - len(last.runes)
	if !last.begins(text[end:]) {
		return false
	}
	text = text[:end]
	for _, s := range p.segments[1 : len(p.segments)-1] {
		i := s.find(text)
		if i < 0 {
			return false
		}
		text = text[i:]
	}
	return true
}

// Patterns are alternatives.
type Patterns []Pattern

// ParseAllEscaped reads each pattern as [ParseEscaped] does.
func ParseAllEscaped(patterns []string) Patterns {
	all := make(Patterns, len(patterns))
	for i, p := range patterns {
		all[i] = ParseEscaped(p)
	}
	return all
}

// Match reports whether one of the patterns matches the text. steps is the work that
// it did, in comparisons of characters: 1 for a pattern without wildcards, and at most
// the text's length for each 64 characters of any other.
func (ps Patterns) Match(text string) (matched bool, steps int) {
	var runes []rune
	for _, p := range ps {
		steps++
		if p.segments == nil {
			if text == p.literal {
				return true, steps
			}
			continue
		}
		if runes == nil {
			runes = []rune(text)
		}
		steps += p.words * len(runes)
		if p.match(runes) {
			return true, steps
		}
	}
	return false, steps
}

// segment is a part of a pattern without a *.
type segment struct {
	runes []rune
	// masks has, for a character of runes, the positions at which it matches, one
	// bit each; other is the same for every other character.
	masks map[rune][]uint64
	other []uint64
}

func newSegment(runes []rune) segment {
	s := segment{runes: runes, masks: map[rune][]uint64{}, other: make([]uint64, (len(runes)+63)/64)}
	for i, r := range runes {
		if r == anyOne {
			s.other[i/64] |= 1 << (i % 64)
		}
	}
	for i, r := range runes {
		if r == anyOne {
			continue
		}
		if s.masks[r] == nil {
			s.masks[r] = slices.Clone(s.other)
		}
		s.masks[r][i/64] |= 1 << (i % 64)
	}
	return s
}

func (s segment) words() int { return len(s.other) }

// begins reports whether the text begins with the segment.
func (s segment) begins(text []rune) bool {
	if len(text) < len(s.runes) {
		return false
	}
	for i, r := range s.runes {
		if r != anyOne && r != text[i] {
			return false
		}
	}
	return true
}

// find returns the position behind the first occurrence of the segment in the text,
// and -1 if there is none.
//
// It is the Shift-And algorithm of Baeza-Yates and Gonnet: bit i of state is set if
// the last i+1 characters match the first i+1 of the segment.
func (s segment) find(text []rune) int {
	n := len(s.runes)
	if n == 0 {
		return 0
	}
	state := make([]uint64, s.words())
	for at, r := range text {
		mask, ok := s.masks[r]
		if !ok {
			mask = s.other
		}
		carry := uint64(1)
		for w, bits := range state {
			state[w] = (bits<<1 | carry) & mask[w]
			carry = bits >> 63
		}
		if state[(n-1)/64]&(1<<((n-1)%64)) != 0 {
			return at + 1
		}
	}
	return -1
}
