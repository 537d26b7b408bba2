package lambdakit_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

func TestForecastDays(t *testing.T) {
	for text, want := range map[string]int{"": 30, "1": 1, "45": 45, "3650": 3650, "0": 0, "-3": 0, "3651": 0, "soon": 0, "1.5": 0} {
		t.Setenv(lambdakit.EnvForecastDays, text)
		got, err := lambdakit.ForecastDays()
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}
