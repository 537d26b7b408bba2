package loopback_test

import (
	"net"
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/loopback"
)

func TestListen(t *testing.T) {
	for address, good := range map[string]bool{
		"127.0.0.1:0": true, "127.1.2.3:0": true, "localhost:0": true,
		":0": false, "0.0.0.0:0": false, "[::]:0": false, "192.0.2.1:0": false, "": false, "127.0.0.1": false,
	} {
		l, err := loopback.Listen(address)
		if (err == nil) != good {
			t.Errorf("Listen(%q): %v", address, err)
		}
		if err == nil {
			if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
				t.Errorf("Listen(%q) listens on %s", address, l.Addr())
			}
			l.Close()
		}
	}
}

func TestIsHost(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8080": true, "127.9.9.9:1": true, "localhost": true, "LocalHost:8080": true, "[::1]": true, "[::1]:8080": true, "::1": true,
		"": false, ":8080": false, "127.0.0.1.rebound.example": false, "localhost.example:8080": false, "rebound.example": false, "192.0.2.1:8080": false,
		"[::]:8080": false, "0.0.0.0:8080": false, "127.0.0.1:8080:8080": false, "2130706433": false, "127.1": false, "localhost.": false,
	} {
		if got := loopback.IsHost(host); got != want {
			t.Errorf("IsHost(%q) = %t", host, got)
		}
	}
}
