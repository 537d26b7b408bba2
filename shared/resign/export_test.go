package resign

import "net/http"

// SetTransport replaces what calls the targets, for addresses that no test can
// serve.
func (p *Proxy) SetTransport(t http.RoundTripper) { p.transport = t }
