package wildcard

import (
	"strings"
	"testing"
)

// naive matches one character at a time.
func naive(pattern, s []rune, escapes bool) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	switch c := pattern[0]; {
	case c == '*':
		for i := range len(s) + 1 {
			if naive(pattern[1:], s[i:], escapes) {
				return true
			}
		}
		return false
	case c == '?':
		return len(s) > 0 && naive(pattern[1:], s[1:], escapes)
	case escapes && c == '\\' && len(pattern) > 1 && strings.ContainsRune(`*?\`, pattern[1]):
		return len(s) > 0 && s[0] == pattern[1] && naive(pattern[2:], s[1:], escapes)
	default:
		return len(s) > 0 && s[0] == c && naive(pattern[1:], s[1:], escapes)
	}
}

// words calls f with all texts of at most n of the letters.
func words(letters string, n int, f func(string)) {
	f("")
	if n == 0 {
		return
	}
	for _, l := range letters {
		words(letters, n-1, func(rest string) { f(string(l) + rest) })
	}
}

func TestMatchAgreesWithTheNaiveMatcher(t *testing.T) {
	texts := map[string]bool{}
	words(`aü*\`, 3, func(s string) { texts[s] = true })
	words(`aü*?\`, 4, func(p string) {
		plain, escaped := Parse(p), ParseEscaped(p)
		for s := range texts {
			if got, want := escaped.Match(s), naive([]rune(p), []rune(s), true); got != want {
				t.Fatalf("%q with escapes on %q: %v, want %v", p, s, got, want)
			}
			if got, want := plain.Match(s), naive([]rune(p), []rune(s), false); got != want {
				t.Fatalf("%q on %q: %v, want %v", p, s, got, want)
			}
		}
	})
}

func TestMatchOverlappingOccurrences(t *testing.T) {
	words("ab", 9, func(s string) {
		for _, p := range []string{"*aab*", "*a?a*b*", "ab*ba", "a?*?b", "*?aa?*", "*ab*ab*", "?*?*?", "*aba*bab"} {
			if got, want := Parse(p).Match(s), naive([]rune(p), []rune(s), false); got != want {
				t.Fatalf("%q on %q: %v, want %v", p, s, got, want)
			}
		}
	})
}

// Segments of one word of bits, of exactly one, and of more.
func TestMatchSegmentsLongerThanAWord(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, 127, 128, 129, 300} {
		long := strings.Repeat("a", n-1)
		for _, hole := range []string{"b", "?"} {
			p := Parse("*" + long + hole + "*c")
			if !p.Match("x" + long + "bc") {
				t.Errorf("%d characters ending in %s: no match", n, hole)
			}
			if p.Match(long + "c") {
				t.Errorf("%d characters ending in %s: matches a text that is too short", n, hole)
			}
		}
	}
}

func TestZeroPatternMatchesTheEmptyTextOnly(t *testing.T) {
	if !(Pattern{}).Match("") || (Pattern{}).Match("a") {
		t.Error("the zero Pattern is not the empty one")
	}
}

// The work is linear in the text, also for the patterns on which a matcher that goes
// back takes the product of both lengths, or more.
func TestWorkIsLinear(t *testing.T) {
	text := strings.Repeat("a", 100_000)
	for _, c := range []struct {
		pattern string
		steps   int
		want    bool
	}{
		{"literal", 1, false},
		{"", 1, false},
		{"*", 1, true},
		{"a*", 100_001, true},
		{strings.Repeat("*a", 250) + "b", 100_001, false},
		{strings.Repeat("*a?", 250) + "b", 100_001, false},
		{"*" + strings.Repeat("a", 64) + "b*", 200_001, false},
		{"*" + strings.Repeat("?", 250) + "b", 400_001, false},
		{strings.Repeat("*"+strings.Repeat("a", 50)+"?b", 5), 100_001, false},
	} {
		matched, steps := ParseAllEscaped([]string{c.pattern}).Match(text)
		if matched != c.want || steps != c.steps {
			t.Errorf("%.20q: %v after %d steps, want %v after %d", c.pattern, matched, steps, c.want, c.steps)
		}
	}
}

func TestPatternsAreAlternatives(t *testing.T) {
	ps := ParseAllEscaped([]string{"A*", "x", `\*`, "b?"})
	for text, want := range map[string]struct {
		matched bool
		steps   int
	}{
		"a1": {false, 1 + 2 + 1 + 1 + 1 + 2},
		"A1": {true, 1 + 2},
		"x":  {true, 1 + 1 + 1},
		"*":  {true, 1 + 1 + 1 + 1},
		"bü": {true, 1 + 2 + 1 + 1 + 1 + 2},
		"":   {false, 4},
	} {
		if matched, steps := ps.Match(text); matched != want.matched || steps != want.steps {
			t.Errorf("%q: %v after %d steps, want %v after %d", text, matched, steps, want.matched, want.steps)
		}
	}
	if matched, steps := (Patterns)(nil).Match("a"); matched || steps != 0 {
		t.Errorf("no patterns: %v after %d steps", matched, steps)
	}
}
