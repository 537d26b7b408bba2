package tabletest_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// The emulator sometimes loses the answer of a call that it carried out. A test
// on it continues as if the answer had arrived.
func TestLostAnswers(t *testing.T) {
	service := os.Getenv(tabletest.MiniStack)
	if service == "" {
		if os.Getenv("CADASTRE_SKIP_SERVICES") == "1" {
			t.Skip("CADASTRE_SKIP_SERVICES=1")
		}
		t.Fatalf("%s is not set; `make test` starts the service and sets it", tabletest.MiniStack)
	}
	target, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	calls := map[string]int{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := r.Header.Get("X-Amz-Target")
		if calls[operation]++; calls[operation] == 1 {
			forward.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // ends the connection without an answer
		}
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	t.Run("table", func(t *testing.T) {
		t.Setenv(tabletest.MiniStack, proxy.URL)
		db := tabletest.NewService(t, tabletest.MiniStack).Table()
		if err := db.Transact(t.Context(), []table.Write{
			{Op: table.OpPut, Key: table.Key{PK: "p", SK: "s"}, If: table.Cond{Absent: true}},
		}); err != nil {
			t.Error(err)
		}
	})
	for _, operation := range []string{"CreateTable", "TransactWriteItems"} {
		if n := calls["DynamoDB_20120810."+operation]; n != 2 {
			t.Errorf("%s was sent %d times, want 2", operation, n)
		}
	}
}
