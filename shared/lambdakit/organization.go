package lambdakit

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/cadastre-ipam/cadastre/shared/discover"
)

// OpenOrganization returns the hierarchy for ops.WithOrganization, and nil if
// the environment does not allow calls to AWS Organizations. It makes no call
// to AWS.
func OpenOrganization(ctx context.Context) (*discover.Hierarchy, error) {
	setting := os.Getenv(EnvOrganization)
	if setting == "" {
		return nil, nil
	}
	ask, err := strconv.ParseBool(setting)
	if err != nil {
		return nil, fmt.Errorf("open the organisation: %s is %q, and not true or false", EnvOrganization, setting)
	}
	if !ask {
		return nil, nil
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(os.Getenv(EnvHomeRegion)))
	if err != nil {
		return nil, fmt.Errorf("open the organisation: %w", err)
	}
	return discover.NewHierarchy(organizations.NewFromConfig(cfg), time.Now), nil
}
