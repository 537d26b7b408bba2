package resign

import "net/http"

// SetTransport replaces the transport to the targets, for addresses that no test can
// serve.
func (p *Proxy) SetTransport(t http.RoundTripper) { p.transport = t }

// SetEndpoints selects other endpoints of EC2.
func (p *Proxy) SetEndpoints(fips, dualStack bool) {
	p.config.FIPS, p.config.DualStack = fips, dualStack
}
