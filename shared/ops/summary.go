package ops

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// The input and output of GetIpamSummary. It is an extension, which
// shared/wire/model/extensions.json describes to the doors.
type (
	// GetIpamSummaryInput is the input of GetIpamSummary.
	GetIpamSummaryInput struct {
		DryRun *bool
		IpamId *string // all IPAMs of the caller if nil
	}
	// GetIpamSummaryOutput is the output of GetIpamSummary.
	GetIpamSummaryOutput struct{ IpamSummaries []IpamSummary }
	// IpamSummary has the numbers of an IPAM, as the last scans counted them. A number that
	// no scan has counted is nil.
	IpamSummary struct {
		IpamId                                      *string
		Scopes                                      []IpamScopeSummary
		Pools                                       []IpamPoolSummary // those that need space first
		PoolCount                                   *int64
		FailingAccounts                             []IpamFailingAccount // those read last longest ago
		FailingAccountCount, DiscoveredAccountCount *int64               // accounts × Regions
		ActiveAddresses                             *int64
		ActiveAddressesAsOf                         *time.Time
		Changes                                     *IpamChanges
		Cost                                        *IpamCost
	}
	// IpamScopeSummary has the numbers of one address family of a scope, see
	// [ipam.ScopeSummary]. Without an AsOf, no scan has counted it yet.
	IpamScopeSummary struct {
		IpamScopeId                                                                         *string
		AddressFamily                                                                       types.AddressFamily
		AsOf                                                                                *time.Time
		Resources, Compliant, Noncompliant, Managed, Unmanaged, Ignored, Overlapping, Pools *int64
		ProvisionedAddresses, FreeAddresses                                                 *float64
	}
	// IpamPoolSummary is the use of a pool.
	IpamPoolSummary struct {
		IpamPoolId, IpamScopeId                                            *string
		AddressFamily                                                      types.AddressFamily
		Locale, Description, Name                                          *string
		AsOf                                                               *time.Time
		PercentAllocated, PercentAssigned, PercentAvailable, FreeAddresses *float64
		Forecast                                                           *IpamPoolForecast
	}
	// IpamFailingAccount is an account in a Region that discovery cannot read, or does not
	// read any more.
	IpamFailingAccount struct {
		AccountId, Region, FailureCode, Message *string
		LastAttempt, LastSuccess                *time.Time
		Failures                                *int32
	}
	// IpamChanges are the resources that appeared and went between two times.
	IpamChanges struct {
		From, To     *time.Time
		Began, Ended *int64
		Complete     *bool // whether Began and Ended count all
		Latest       []IpamChange
	}
	// IpamChange is a resource that appeared or went.
	IpamChange struct {
		Time                                                                                *time.Time
		Change                                                                              string // began or ended
		ResourceType                                                                        types.IpamResourceType
		ResourceId, Cidr, ResourceOwnerId, ResourceRegion, ResourceName, VpcId, IpamScopeId *string
		ComplianceStatus                                                                    types.IpamComplianceStatus
		OverlapStatus                                                                       types.IpamOverlapStatus
	}
)

const (
	// changesPeriod is the time whose changes a summary has.
	changesPeriod = 24 * time.Hour
	// changesCounted is the number of changes of a scope that a summary reads at most.
	changesCounted = 500
	// changesShown is the number of changes that a summary shows.
	changesShown = 50
	// summariesAtOnce is the number of IPAMs whose summaries a request reads at once.
	summariesAtOnce = 4
)

// getSummary shows the numbers of the caller's IPAMs, as the last scans counted them. For
// an IPAM it reads the items of the scans, the changes of each scope, and the pools that it
// names, so it takes as many reads with a million allocations as with none.
func (o service) getSummary(ctx context.Context, in *GetIpamSummaryInput) (*GetIpamSummaryOutput, error) {
	ipams, err := o.summarized(ctx, in.IpamId)
	if err != nil || len(ipams) == 0 {
		return &GetIpamSummaryOutput{}, err
	}
	scopes, err := o.store.OwnedScopes(ctx, registry.CallerFrom(ctx).Account)
	if err != nil {
		return nil, err
	}
	out := &GetIpamSummaryOutput{IpamSummaries: make([]IpamSummary, len(ipams))}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(summariesAtOnce)
	for i, m := range ipams {
		own := slices.DeleteFunc(slices.Clone(scopes), func(s *ipam.Scope) bool { return s.IPAM != m.ID })
		g.Go(func() (err error) {
			out.IpamSummaries[i], err = o.summarize(inner, m.ID, own)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// summarized returns the caller's IPAM with an id, or all of them if id is nil.
func (o service) summarized(ctx context.Context, id *string) (all []*ipam.IPAM, err error) {
	if id != nil {
		return o.ipams().find(ctx, "IpamId", []string{*id})
	}
	for after := ""; ; {
		some, next, err := o.store.IPAMsAfter(ctx, registry.CallerFrom(ctx).Account, after, batchSize)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if after = next; after == "" {
			return all, nil
		}
	}
}

// summarize returns the summary of an IPAM with the scopes.
func (o service) summarize(ctx context.Context, id string, scopes []*ipam.Scope) (IpamSummary, error) {
	out := IpamSummary{IpamId: &id}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		out.Changes, err = o.changes(inner, scopes)
		return err
	})
	sum, err := o.store.Summary(ctx, id)
	if err == nil {
		out.Pools, err = o.urgentPools(ctx, sum, scopes)
	}
	if err := cmp.Or(g.Wait(), err); err != nil {
		return out, err
	}
	counted, pools := false, int64(0)
	for _, s := range scopes {
		for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
			shown := IpamScopeSummary{IpamScopeId: &s.ID, AddressFamily: types.AddressFamily(f.String())}
			if have, ok := sum.Scopes[ipam.ScopeSpace(s.ID, f)]; ok {
				showScopeSummary(&shown, have.AsOf, &have.Of)
				counted, pools = true, pools+have.Of.Pools
			}
			out.Scopes = append(out.Scopes, shown)
		}
	}
	if counted {
		out.PoolCount = &pools
	}
	if n := sum.Network; n != nil {
		out.FailingAccountCount, out.DiscoveredAccountCount = &n.Of.Failing, &n.Of.Accounts
		out.ActiveAddresses, out.ActiveAddressesAsOf = &n.Of.ActiveAddresses, aws.Time(n.AsOf)
		for i := range n.Of.Failures {
			out.FailingAccounts = append(out.FailingAccounts, showFailure(&n.Of.Failures[i]))
		}
		out.Cost = costOf(sum)
	}
	return out, nil
}

func showScopeSummary(to *IpamScopeSummary, asOf time.Time, s *ipam.ScopeSummary) {
	to.AsOf = &asOf
	to.Resources, to.Compliant, to.Noncompliant, to.Managed, to.Unmanaged = &s.Resources, &s.Compliant, &s.Noncompliant, &s.Managed, &s.Unmanaged
	to.Ignored, to.Overlapping, to.Pools = &s.Ignored, &s.Overlapping, &s.Pools
	to.ProvisionedAddresses, to.FreeAddresses = &s.ProvisionedAddresses, &s.FreeAddresses
}

// urgentPools returns the pools of an IPAM that need space first. Those that were deleted
// since the scan are left out.
func (o service) urgentPools(ctx context.Context, sum items.Summary, scopes []*ipam.Scope) (shown []IpamPoolSummary, err error) {
	var all []ipam.PoolSummary
	asOf := map[string]time.Time{}
	for _, s := range scopes {
		for _, f := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
			have := sum.Scopes[ipam.ScopeSpace(s.ID, f)]
			for _, p := range have.Of.Urgent {
				all = append(all, p)
				asOf[p.Pool] = have.AsOf
			}
		}
	}
	all = ipam.UrgentPools(all)
	ids := make([]string, len(all))
	for i, p := range all {
		ids[i] = p.Pool
	}
	slices.Sort(ids)
	pools, err := o.store.Pools(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		i := slices.IndexFunc(pools, func(o *ipam.Pool) bool { return o.ID == p.Pool })
		if i < 0 {
			continue
		}
		of := pools[i]
		out := IpamPoolSummary{
			IpamPoolId: &of.ID, IpamScopeId: &of.Scope, AddressFamily: types.AddressFamily(of.Family.String()),
			Locale: optional(of.Locale), Description: optional(of.Description), Name: optional(of.Tags["Name"]), AsOf: aws.Time(asOf[p.Pool]),
			PercentAllocated: &p.Allocated, PercentAssigned: &p.Assigned, PercentAvailable: &p.Available, FreeAddresses: aws.Float64(p.Addresses * p.Available / 100),
		}
		if p.Forecast != nil {
			out.Forecast = showForecast(*p.Forecast)
		}
		shown = append(shown, out)
	}
	return shown, nil
}

func showFailure(a *ipam.DiscoveredAccount) IpamFailingAccount {
	account := showDiscoveredAccount(a)
	out := IpamFailingAccount{
		AccountId: account.AccountId, Region: account.DiscoveryRegion, LastAttempt: account.LastAttemptedDiscoveryTime, LastSuccess: account.LastSuccessfulDiscoveryTime,
		Failures: aws.Int32(int32(a.Failures)),
	}
	if r := account.FailureReason; r != nil {
		out.FailureCode, out.Message = optional(string(r.Code)), r.Message
	}
	return out
}

// changes returns the changes of scopes in the last day.
func (o service) changes(ctx context.Context, scopes []*ipam.Scope) (*IpamChanges, error) {
	to := o.store.Now().UTC()
	from := to.Add(-changesPeriod)
	out := &IpamChanges{From: &from, To: &to, Began: new(int64), Ended: new(int64), Complete: aws.Bool(true)}
	read, more := make([][]*ipam.HistoryRecord, len(scopes)), make([]bool, len(scopes))
	g, inner := errgroup.WithContext(ctx)
	for i, s := range scopes {
		g.Go(func() (err error) {
			read[i], more[i], err = o.store.Changes(inner, s.ID, from, changesCounted)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, s := range scopes {
		*out.Complete = *out.Complete && !more[i]
		for _, r := range read[i] {
			if r.End == 0 {
				*out.Began++
			} else {
				*out.Ended++
			}
		}
		for _, r := range read[i][:min(len(read[i]), changesShown)] {
			out.Latest = append(out.Latest, showChange(s.ID, r))
		}
	}
	slices.SortStableFunc(out.Latest, func(a, b IpamChange) int { return b.Time.Compare(*a.Time) })
	out.Latest = out.Latest[:min(len(out.Latest), changesShown)]
	return out, nil
}

func showChange(scope string, r *ipam.HistoryRecord) IpamChange {
	out := IpamChange{
		Time: aws.Time(items.ChangeTime(r)), Change: "began", ResourceType: types.IpamResourceType(r.Type), ResourceId: &r.ID, Cidr: aws.String(r.CIDR.String()),
		ResourceOwnerId: &r.Owner, ResourceRegion: &r.Region, ResourceName: optional(r.Name), VpcId: optional(r.VPC), IpamScopeId: &scope,
		ComplianceStatus: types.IpamComplianceStatus(r.Compliance), OverlapStatus: types.IpamOverlapStatus(r.Overlap),
	}
	if r.End != 0 {
		out.Change = "ended"
	}
	return out
}
