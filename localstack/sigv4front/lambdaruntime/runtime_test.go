package lambdaruntime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/lambdaruntime"
)

// TestMain runs as the function when the test binary is started as one.
func TestMain(m *testing.M) {
	switch os.Getenv("FUNCTION") {
	case "":
		os.Exit(m.Run())
	case "refuse":
		fmt.Fprintln(os.Stderr, "no configuration")
		os.Exit(1)
	}
	lambda.Start(func(_ context.Context, in struct{ N int }) (any, error) {
		switch in.N {
		case -1:
			return nil, errors.New("a negative number")
		case -2:
			return strings.Repeat("x", lambdaruntime.MaxAnswer), nil
		}
		return map[string]int{"Twice": 2 * in.N}, nil
	})
}

func start(t *testing.T, c lambdaruntime.Config) *lambdaruntime.Function {
	t.Helper()
	c.Binary = os.Args[0]
	f, err := lambdaruntime.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestInvoke(t *testing.T) {
	f := start(t, lambdaruntime.Config{Env: []string{"FUNCTION=double"}, Instances: 2})
	if err := f.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			out, err := f.Invoke(t.Context(), fmt.Appendf(nil, `{"N":%d}`, n))
			if want := fmt.Sprintf(`{"Twice":%d}`, 2*n); err != nil || string(out) != want {
				t.Errorf("%d: %s, %v; want %s", n, out, err, want)
			}
		})
	}
	all.Wait()
	if _, err := f.Invoke(t.Context(), []byte(`{"N":-1}`)); err == nil || !strings.Contains(err.Error(), "a negative number") {
		t.Errorf("err = %v, want the handler's", err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`{"N":-2}`)); !errors.Is(err, lambdaruntime.ErrTooLarge) {
		t.Errorf("err = %v, want %v", err, lambdaruntime.ErrTooLarge)
	}
}

func TestAFunctionThatDoesNotStart(t *testing.T) {
	var log strings.Builder
	f := start(t, lambdaruntime.Config{Env: []string{"FUNCTION=refuse"}, Log: &log})
	if err := f.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("err = %v", err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Error("a function that ended answered")
	}
	f.Close()
	if log.String() != "no configuration\n" {
		t.Errorf("log %q", log.String())
	}
}
