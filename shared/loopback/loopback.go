// Package loopback keeps servers that hold a person's credentials on that person's
// machine.
package loopback

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Listen opens a TCP port on loopback. Any other address is an error. Port 0 is any free
// port.
func Listen(address string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("listen on %s: this is no loopback address, and the server signs with your credentials. Use an address such as 127.0.0.1:8181", address)
	}
	return net.ListenTCP("tcp", a)
}

// IsHost reports whether a Host header, with or without a port, is a loopback name or
// address. A request with another host may come from a web page whose name was made to
// point at this machine (DNS rebinding).
func IsHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}
