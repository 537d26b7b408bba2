package registry_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func TestIsForwarder(t *testing.T) {
	for arn, want := range map[string]bool{
		"arn:aws:sts::111122223333:assumed-role/cadastre-forwarder-eu-west-1/f":      true,
		"arn:aws-cn:sts::111122223333:assumed-role/cadastre-forwarder-cn-north-1/f":  true,
		"arn:aws:sts::111122223333:assumed-role/my-cadastre-forwarder-eu-west-1/f":   false,
		"arn:aws:sts::111122223333:assumed-role/alice/cadastre-forwarder-eu-west-1":  false,
		"arn:aws:iam::111122223333:role/cadastre-forwarder-eu-west-1":                false,
		"arn:aws:iam::111122223333:user/:role/cadastre-forwarder-x":                  false,
		"arn:aws:sts::111122223333:federated-user/assumed-role/cadastre-forwarder-x": false,
		"": false,
	} {
		if got := registry.IsForwarder(arn); got != want {
			t.Errorf("%q: %t, want %t", arn, got, want)
		}
	}
}
