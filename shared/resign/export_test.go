package resign

import "net/http"

// SetTransport replaces what calls the targets, for addresses that no test can
// serve.
func (p *Proxy) SetTransport(t http.RoundTripper) { p.transport = t }

// SetEndpoints has the proxy call other endpoints of EC2's.
func (p *Proxy) SetEndpoints(fips, dualStack bool) {
	p.config.FIPS, p.config.DualStack = fips, dualStack
}
