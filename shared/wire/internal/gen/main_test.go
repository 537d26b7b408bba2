package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/wire/model"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	api, _, err := model.Load()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(api)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("%s is out of date, run go generate ./shared/wire/... (-committed +generated):\n%s", name, diff)
		}
	}
}

func TestModelsThatNoCodecServesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, model, want string }{
		{"a map shape", `{"operations": {}, "shapes": {"M": {"type": "map"}}}`, "shape M is a map"},
		{"one bound", `{"operations": {}, "shapes": {"N": {"type": "integer", "min": 1}}}`, "one bound only"},
		{"an operation without input", `{"operations": {"X": {}}, "shapes": {}}`, "X has no input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api, err := model.Parse([]byte(c.model))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := generate(api); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}
