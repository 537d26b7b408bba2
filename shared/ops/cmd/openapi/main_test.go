package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ops"
)

func TestWriteDescribesEachOperation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := write(file, "/"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]struct{ Post struct{ OperationID string } }
	}
	if err := json.Unmarshal(b, &document); err != nil {
		t.Fatal(err)
	}
	for _, o := range ops.New(nil, nil).Operations() {
		if got := document.Paths["/v1/"+o.Name].Post.OperationID; got != o.Name {
			t.Errorf("the path of %s describes the operation %q", o.Name, got)
		}
	}
}

func TestWriteLeavesAnEqualFileAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := write(file, "/"); err != nil {
		t.Fatal(err)
	}
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if err := write(file, "/"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("an equal document was written again: %v, %v", info.ModTime(), err)
	}
	if err := write(file, "https://other.example"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.ModTime().Equal(old) {
		t.Errorf("another document was not written: %v, %v", info.ModTime(), err)
	}
}
