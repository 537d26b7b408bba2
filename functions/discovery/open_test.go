package main

import (
	"runtime/debug"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
)

// The garbage collector must know the function's memory: otherwise the run over an account
// with 100,000 interfaces takes more.
func TestOpenLimitsTheMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for name, value := range map[string]string{
		lambdakit.EnvTable: "table", lambdakit.EnvHomeRegion: home, lambdakit.EnvAccount: owner, lambdakit.EnvDiscoveryQueue: "https://queue",
		"AWS_REGION": home, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
	} {
		t.Setenv(name, value)
	}
	if _, err := open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := debug.SetMemoryLimit(-1); got >= 512<<20 {
		t.Errorf("the limit is %d", got)
	}
}

func TestParseReaders(t *testing.T) {
	for text, want := range map[string]int{"": 1, "1": 1, "6": 6, "0": 0, "-1": 0, "six": 0, "2.5": 0} {
		if n, err := parseReaders(text); n != want || (err != nil) != (want == 0) {
			t.Errorf("%q is %d, %v", text, n, err)
		}
	}
}
