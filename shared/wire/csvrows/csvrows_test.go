package csvrows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/wire/csvrows"
)

// The values of rows are inert, and the header stays as it is.
func TestWrite(t *testing.T) {
	var b strings.Builder
	rows := [][]string{{"a,b", "1"}, {"=cmd()", "-2"}, {"+1", "@x"}, {"\t=", "\r="}, {"two\r\nlines", `"`}, {"", "é="}}
	if err := csvrows.Write(&b, []string{"name", "-n"}, slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	// A lone carriage return goes, as the writer ends rows with CRLF.
	want := "name,-n\r\n\"a,b\",1\r\n'=cmd(),'-2\r\n'+1,'@x\r\n'\t=,\"'=\"\r\n\"two\r\nlines\",\"\"\"\"\r\n,é=\r\n"
	if got := b.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// full is a writer that takes nothing.
type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

// An error of the writer is returned.
func TestWriteFails(t *testing.T) {
	if err := csvrows.Write(full{}, []string{"name"}, slices.Values([][]string{{"a"}})); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}
