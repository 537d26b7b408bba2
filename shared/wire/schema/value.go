package schema

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// This file has the rules for single values of requests. All doors use them: EC2 Query,
// JSON, events, direct invocation and templates.

// ParseInteger reads an integer of so many bits, and returns false for any other text.
// The text is a number as JSON writes it, or one with a plus sign before it. 24.0 and
// 2.4e1 are the integer 24, as JSON Schema has it; 24.5 is no integer.
func ParseInteger(text string, bits int) (int64, bool) {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	shift := 0
	if scientific {
		n, err := strconv.ParseInt(exponent, 10, 16)
		if err != nil {
			return 0, false
		}
		shift = int(n)
	}
	sign := ""
	if mantissa != "" && (mantissa[0] == '-' || mantissa[0] == '+') {
		sign, mantissa = mantissa[:1], mantissa[1:]
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !digits(whole) || point && !digits(fraction) {
		return 0, false
	}
	// The decimal point moves by shift places. Zeros at both ends of the number do not
	// count, so that 0e9999 and 1.000 need no long text.
	value := strings.TrimRight(whole+fraction, "0")
	places := len(whole) + shift - len(value) // zeros behind value; negative: digits of it behind the point
	value = strings.TrimLeft(value, "0")
	switch {
	case value == "":
		return 0, true
	case places < 0, len(value)+places > len("9223372036854775808"):
		return 0, false
	}
	n, err := strconv.ParseInt(sign+value+strings.Repeat("0", places), 10, bits)
	return n, err == nil
}

// digits reports whether s is one or more of the digits 0 to 9.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ParseBoolean reads true or false, in any case, and returns false for any other text.
func ParseBoolean(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// CheckText returns an error for a text with a character that no XML 1.0 document can
// hold, even escaped: an answer could not show it. path is the name of the parameter.
func CheckText(path, text string) error {
	if i := unprintable(text); i >= 0 {
		return ipam.Errorf(ipam.CodeInvalidParameterValue,
			"The value of the parameter %s has a character at byte %d that XML cannot hold. Use UTF-8 without control characters.", path, i)
	}
	return nil
}

// unprintable returns the position of the first character of s that an XML 1.0 document
// cannot hold, even escaped, and -1 if there is none.
func unprintable(s string) int {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size <= 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return i
		}
		i += size
	}
	return -1
}
