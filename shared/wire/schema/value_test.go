package schema

import (
	"math"
	"strings"
	"testing"
)

func TestParseInteger(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "+0": 0, "0.0": 0, "0e99": 0, "-0.000e-99": 0, "24": 24, "+24": 24, "-24": -24, "024": 24, "24.0": 24, "24.000": 24,
		"2.4e1": 24, "2.4E1": 24, "2.4e+1": 24, "0.0024e4": 24, "2400e-2": 24, "2400.00e-2": 24, "1e2": 100, "10": 10, "100e-2": 1, "10.0e-1": 1,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64, "9.223372036854775807e18": math.MaxInt64, "9223372036854775807000e-3": math.MaxInt64,
		"1e18": 1e18, "0000000000000000000000000000000000024": 24, "24." + strings.Repeat("0", 1000): 24,
	} {
		if got, ok := ParseInteger(text, 64); !ok || got != want {
			t.Errorf("%.40s: %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "-", "+", ".", "e", "1e", "e1", "1e1.0", "1e1e1", ".5", ".0", "24.", "24.e1", "+-1", "--1", "1 ", " 1", "1_000", "1,0", "0x18", "0b1", "NaN", "inf", "२४", "24.5", "2.45e1", "1e-1", "24.0000001", "12e-1",
		"9223372036854775808", "-9223372036854775809", "1e19", "1e400", "1e32767", "1e32768", "1e-32769", "1e99999999999999999999", "-1e400", "1e0x1", "1e_1",
	} {
		if got, ok := ParseInteger(text, 64); ok {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	for text, want := range map[string]bool{"2147483647": true, "-2147483648": true, "2147483648": false, "-2147483649": false, "2.147483647e9": true, "2.147483648e9": false, "4294967320": false} {
		if _, ok := ParseInteger(text, 32); ok != want {
			t.Errorf("%s in 32 bits: %v", text, ok)
		}
	}
}

func TestParseBoolean(t *testing.T) {
	for text, want := range map[string][2]bool{
		"true": {true, true}, "True": {true, true}, "TRUE": {true, true}, "false": {false, true}, "False": {false, true},
		"": {}, "1": {}, "0": {}, "yes": {}, " true": {}, "t": {},
	} {
		if value, ok := ParseBoolean(text); [2]bool{value, ok} != want {
			t.Errorf("%q: %v, %v", text, value, ok)
		}
	}
}
