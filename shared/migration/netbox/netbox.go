// Package netbox reads the prefixes of a NetBox by its REST API.
package netbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
)

// Client calls NetBox's REST API. It is safe for concurrent use.
type Client struct {
	URL    string // of NetBox, without /api
	Token  string
	Client *http.Client // nil is [http.DefaultClient]
	// Progress, if set, is called after each page of prefixes.
	Progress func(done, total int)
	// Sleep waits between two tries; nil is [backoff.Sleep].
	Sleep func(ctx context.Context, d time.Duration) error
}

// The tries of a request, and the number of objects of a page. NetBox may have a lower
// limit for pages.
const (
	tries     = 8
	firstWait = time.Second
	longWait  = time.Minute
	pageSize  = 500
)

// page is a page of a list (NetBox documentation, "REST API Overview": pagination).
type page[T any] struct {
	Count   int     `json:"count"`
	Next    *string `json:"next"`
	Results []T     `json:"results"`
}

// list returns all objects of a list, ordered by id. An object that two pages have,
// because the list changed in between, is there once.
func list[T any](ctx context.Context, c *Client, path string, id func(*T) int, progress func(done, total int)) ([]T, error) {
	var all []T
	seen := map[int]bool{}
	for offset := 0; ; {
		var p page[T]
		q := url.Values{"limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(offset)}, "ordering": {"id"}}
		if err := c.get(ctx, path, q, &p); err != nil {
			return nil, err
		}
		for i := range p.Results {
			if n := id(&p.Results[i]); !seen[n] {
				seen[n] = true
				all = append(all, p.Results[i])
			}
		}
		if progress != nil {
			progress(len(all), p.Count)
		}
		// The URL in next may name another host, behind a proxy.
		if p.Next == nil || len(p.Results) == 0 {
			return all, nil
		}
		offset += len(p.Results)
	}
}

// get reads a resource. It waits and tries again if NetBox, or a proxy before it, has no
// capacity for the request.
func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	sleep := c.Sleep
	if sleep == nil {
		sleep = backoff.Sleep
	}
	for try := 1; ; try++ {
		again, wait, err := c.once(ctx, path, q, out)
		if err == nil || !again || try == tries || ctx.Err() != nil {
			return err
		}
		if wait == 0 {
			wait = backoff.Delay(try, firstWait, longWait)
		}
		if err := sleep(ctx, min(wait, longWait)); err != nil {
			return err
		}
	}
}

// once sends a request. again says whether it may succeed later; wait is the time that
// the server asks for, 0 for none.
func (c *Client) once(ctx context.Context, path string, q url.Values, out any) (again bool, wait time.Duration, err error) {
	address := strings.TrimRight(c.URL, "/") + "/api/" + path
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+q.Encode(), nil)
	if err != nil {
		return false, 0, err
	}
	r.Header.Set("Accept", "application/json")
	scheme := "Token"
	if strings.HasPrefix(c.Token, "nbt_") { // since NetBox 4.5
		scheme = "Bearer"
	}
	r.Header.Set("Authorization", scheme+" "+c.Token)
	sender := c.Client
	if sender == nil {
		sender = http.DefaultClient
	}
	answer, err := sender.Do(r)
	if err != nil {
		return true, 0, fmt.Errorf("read %s: %w", address, err)
	}
	defer func() { _ = answer.Body.Close() }() // only read
	switch answer.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
			return true, 0, fmt.Errorf("the answer of %s: %w", address, err)
		}
		return false, 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After")) // 0 for none, and for a date
		return true, time.Duration(max(seconds, 0)) * time.Second, fmt.Errorf("%s answers with status %d", address, answer.StatusCode)
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, 0, fmt.Errorf("%s answers with status %d: see whether the token may read prefixes, aggregates and VRFs", address, answer.StatusCode)
	}
	return false, 0, fmt.Errorf("%s answers with status %d: see whether the URL is NetBox's, without /api", address, answer.StatusCode)
}
