package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/functions/console/web"
)

// The console prints its link, signs the calls of its page, prints another link on the
// signal HUP, and ends when it is asked to.
func TestConsoleServesUntilStopped(t *testing.T) {
	environment(t, "AKIDOWN")
	scopes := make(chan string, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scopes <- r.URL.Path + " " + r.Header.Get("Authorization")
		io.WriteString(w, `{"Ipams":[]}`)
	}))
	t.Cleanup(upstream.Close)
	opened := filepath.Join(t.TempDir(), "opened")
	browser := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\nstat -c %a \"$1\" >"+opened+"\ncat \"$1\" >>"+opened+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BROWSER", browser)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, stdoutWriter := io.Pipe()
	var stderr bytes.Buffer
	s := &settings{endpoint: upstream.URL, region: "us-east-1"}
	c := &cobra.Command{}
	c.SetContext(ctx)
	c.SetOut(stdoutWriter)
	c.SetErr(&stderr)
	ended := make(chan error, 1)
	go func() {
		ended <- serveConsole(c, s, fstest.MapFS{"index.html": {Data: []byte("the page")}}, "127.0.0.1:0", true)
		stdoutWriter.Close()
	}()
	lines := bufio.NewScanner(stdout)
	link := func() string {
		t.Helper()
		for lines.Scan() {
			if l, ok := strings.CutPrefix(lines.Text(), "The console is at "); ok {
				lines.Scan()
				return l
			}
		}
		t.Fatal("it prints no link", stderr.String())
		return ""
	}
	first := link()
	if !strings.HasPrefix(first, "http://127.0.0.1:") {
		t.Fatalf("the link is %s", first)
	}
	base, _, _ := strings.Cut(first, "/?")
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	res, err := client.Get(first)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); string(body) != "the page" {
		t.Errorf("the page is %s", body)
	}
	res.Body.Close()
	r, _ := http.NewRequest("POST", base+"/v1/DescribeIpams", strings.NewReader("{}"))
	r.Header.Set("Origin", base)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Cadastre-Console", "1")
	if res, err = client.Do(r); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("the call: %d", res.StatusCode)
	} else if scope := <-scopes; !strings.HasPrefix(scope, "/v1/DescribeIpams ") || !strings.Contains(scope, "AKIDOWN/") || !strings.Contains(scope, "/us-east-1/execute-api/") {
		t.Errorf("signed %s", scope)
	}
	if b, err := os.ReadFile(opened); err != nil || !strings.HasPrefix(string(b), "600\n") || !strings.Contains(string(b), "url="+first+`"`) {
		t.Errorf("the browser opened %s, %v", b, err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if second := link(); second == first || !strings.HasPrefix(second, base) {
		t.Errorf("the second link is %s", second)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v, %s", err, &stderr)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
}

func TestConsoleDoesNotStart(t *testing.T) {
	if _, built := web.Pages(); !built {
		environment(t, "AKIDOWN")
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), []string{"console", "--endpoint", "https://ipam.example.com", "--region", "us-east-1"}, &stdout, &stderr); status != statusFailed || !strings.Contains(stderr.String(), "make web") {
			t.Errorf("without pages: exit status %d, %s", status, &stderr)
		}
	}
	for _, c := range []struct {
		name, key, listen, region string
		misused                   bool
		words                     string
	}{
		{"an address that is not loopback", "AKIDOWN", "0.0.0.0:0", "us-east-1", false, "loopback"},
		{"a host name without a Region", "AKIDOWN", "127.0.0.1:0", "", true, "--region"},
		{"no credentials", "", "127.0.0.1:0", "us-east-1", false, "no credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.key)
			var stdout bytes.Buffer
			command := &cobra.Command{}
			command.SetContext(t.Context())
			command.SetOut(&stdout)
			command.SetErr(io.Discard)
			err := serveConsole(command, &settings{endpoint: "https://ipam.example.com", region: c.region}, fstest.MapFS{"index.html": {}}, c.listen, false)
			if _, misused := err.(misuse); err == nil || misused != c.misused || !strings.Contains(err.Error(), c.words) || stdout.Len() > 0 { //nolint:errorlint // the outermost error decides
				t.Errorf("%v; it printed %s", err, &stdout)
			}
		})
	}
}

func TestBrowser(t *testing.T) {
	for _, c := range []struct{ system, chosen, want string }{{"linux", "", "xdg-open"}, {"darwin", "", "open"}, {"windows", "", "rundll32"}, {"linux", "firefox", "firefox"}} {
		if name, _ := browser(c.system, c.chosen); name != c.want {
			t.Errorf("%s %q: %s", c.system, c.chosen, name)
		}
	}
}
