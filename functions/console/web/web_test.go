package web

import (
	"io/fs"
	"testing"
)

// A checkout without a build of the pages compiles, and Pages reports that they are missing.
func TestPagesReportsWhetherThePagesWereBuilt(t *testing.T) {
	pages, built := Pages()
	_, err := fs.Stat(pages, "index.html")
	if built != (err == nil) {
		t.Errorf("Pages() = %v, but index.html: %v", built, err)
	}
	if _, err := fs.Stat(pages, ".keep"); err != nil {
		t.Errorf("the build of the pages removes the committed file: %v", err)
	}
}
