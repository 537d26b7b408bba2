package lambdakit

import "testing"

func TestOpenOrganization(t *testing.T) {
	t.Setenv(EnvHomeRegion, "us-east-1")
	for _, c := range []struct {
		setting     string
		open, fails bool
	}{{"", false, false}, {"false", false, false}, {"true", true, false}, {"o-a1b2c3d4e5", false, true}} {
		t.Setenv(EnvOrganization, c.setting)
		got, err := OpenOrganization(t.Context())
		if (got != nil) != c.open || (err != nil) != c.fails {
			t.Errorf("%q: %v, %v", c.setting, got, err)
		}
	}
}
