// Package lambdakit has the common parts of the functions: the start, the store
// of their environment, time limits, and the answers to batches with failed
// parts.
package lambdakit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/layout"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// OpenStore returns the store that the environment names. It makes no call to
// AWS, so the first use of the store finds out whether the table can be reached, and
// whether it has a layout that this version knows (see [layout.Guard]).
func OpenStore(ctx context.Context) (*store.Store, error) {
	s, _, err := OpenStoreAndUpgrade(ctx)
	return s, err
}

// OpenStoreAndUpgrade returns the store, and the function that brings the table's
// layout up to date, a part at each call (see [layout.Guard.Upgrade]).
func OpenStoreAndUpgrade(ctx context.Context) (*store.Store, func(context.Context) error, error) {
	name, region := os.Getenv(EnvTable), os.Getenv(EnvHomeRegion)
	for name, value := range map[string]string{EnvTable: name, EnvHomeRegion: region} {
		if value == "" {
			return nil, nil, fmt.Errorf("open the store: %s is not set", name)
		}
	}
	quotas, err := ParseQuotas(os.Getenv(EnvQuotas))
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err)
	}
	ignoreDefaultVPCs, err := strconv.ParseBool(cmp.Or(os.Getenv(EnvIgnoreDefaultVPCs), "true"))
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %s: %w", EnvIgnoreDefaultVPCs, err)
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err)
	}
	client := table.NewClient(cfg)
	guard := layout.NewGuard(table.NewDynamo(client, name), layout.Options{})
	upgrade := func(ctx context.Context) error {
		_, err := guard.Upgrade(ctx, table.NewDynamoScanner(client, name))
		return err
	}
	return store.New(guard, store.Options{Region: region, Owner: os.Getenv(EnvAccount), Quotas: &quotas, IgnoreDefaultVPCs: ignoreDefaultVPCs, Restores: guard.Restores}), upgrade, nil
}

// ParseQuotas reads the deployer's quotas: a JSON object with any of the
// members of ipam.Quotas. A member that it does not name keeps its default.
func ParseQuotas(document string) (ipam.Quotas, error) {
	q := ipam.DefaultQuotas()
	if document == "" {
		return q, nil
	}
	d := json.NewDecoder(strings.NewReader(document))
	d.DisallowUnknownFields() // a misspelt quota would silently keep its default
	if err := d.Decode(&q); err != nil {
		return ipam.Quotas{}, fmt.Errorf("read the quotas %s: %w", document, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ipam.Quotas{}, fmt.Errorf("read the quotas %s: something follows the object", document)
	}
	for _, l := range []struct {
		name         string
		value, least int64
	}{
		{"ipams", q.IPAMs, 1},
		{"scopes_per_ipam", q.ScopesPerIPAM, 2}, // the default ones
		{"pools_per_scope", q.PoolsPerScope, 1},
		{"pool_depth", q.PoolDepth, 1},
		{"cidrs_per_pool", q.CIDRsPerPool, 1},
		{"shares_per_pool", q.SharesPerPool, 0},
		{"tags", q.Tags, 0},
		{"discoveries", q.Discoveries, 0},
		{"associations_per_ipam", q.AssociationsPerIPAM, 1}, // the default one
		{"resolvers_per_ipam", q.ResolversPerIPAM, 0},
		{"rules_per_resolver", q.RulesPerResolver, 1},
		{"entries_per_version", q.EntriesPerVersion, 1},
	} {
		if l.value < l.least {
			return ipam.Quotas{}, fmt.Errorf("read the quotas %s: %s is %d, and the least is %d", document, l.name, l.value, l.least)
		}
	}
	for _, l := range []struct {
		name        string
		value, most int64
	}{
		{"shares_per_pool", q.SharesPerPool, ipam.MaxSharesPerPool},
		{"tags", q.Tags, ipam.MaxTags},
		{"associations_per_ipam", q.AssociationsPerIPAM, ipam.MaxAssociationsPerIPAM},
		{"rules_per_resolver", q.RulesPerResolver, ipam.MaxRulesPerResolver},
		{"entries_per_version", q.EntriesPerVersion, ipam.MaxEntriesPerVersion},
	} {
		if l.value > l.most {
			return ipam.Quotas{}, fmt.Errorf("read the quotas %s: %s is %d, and the most is %d", document, l.name, l.value, l.most)
		}
	}
	return q, nil
}
