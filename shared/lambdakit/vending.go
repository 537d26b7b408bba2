package lambdakit

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/cadastre-ipam/cadastre/shared/vending"
)

// OpenVending returns the maker of VPCs, or nil if the environment names no
// vending role. It also reports whether the CIDRs of VPCs must come from pools.
// It makes no call to AWS.
func OpenVending(ctx context.Context) (v *vending.Vending, fromPoolsOnly bool, err error) {
	if text := os.Getenv(EnvFromPoolsOnly); text != "" {
		if fromPoolsOnly, err = strconv.ParseBool(text); err != nil {
			return nil, false, fmt.Errorf("open the vending: %s is %q, and not true or false", EnvFromPoolsOnly, text)
		}
	}
	role := os.Getenv(EnvVendingRole)
	if role == "" {
		return nil, fromPoolsOnly, nil
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(os.Getenv(EnvHomeRegion)))
	if err != nil {
		return nil, false, fmt.Errorf("open the vending: %w", err)
	}
	return vending.New(cfg, role), fromPoolsOnly, nil
}
