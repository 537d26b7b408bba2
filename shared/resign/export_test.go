package resign

import (
	"context"
	"net/http"
	"time"
)

// SetTransport replaces the transport to the targets, for addresses that no test can
// serve.
func (p *Proxy) SetTransport(t http.RoundTripper) { p.transport = t }

// SetEndpoints selects other endpoints of EC2.
func (p *Proxy) SetEndpoints(fips, dualStack bool) {
	p.config.FIPS, p.config.DualStack = fips, dualStack
}

// SetReports replaces the wait before a report is sent again.
func (p *Proxy) SetReports(sleep func(context.Context, time.Duration) error) { p.reports.sleep = sleep }
