package discover

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// Account is an account that is to be watched.
type Account struct {
	ID   string
	OU   string // id of the organisational unit that it is in; "" if it is in none, or that is not known
	Path string // of OU, or of the root, as ipam.CheckExclusions has it; "" if not known
}

// Organizations is what is read of AWS Organizations: the SDK's client.
type Organizations interface {
	ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error)
	Parents
}

// OrganizationActions are the IAM actions that Members needs, in the management
// account or in one that is a delegated administrator.
var OrganizationActions = []string{"organizations:ListAccounts", "organizations:ListParents"}

// Members returns the organisation's active accounts by ascending id.
//
// An account's path is that of the answer; where there is none, that of its
// parents, each unit's asked for once.
func Members(ctx context.Context, c Organizations) ([]Account, error) {
	var all []Account
	parents := map[string]string{}
	for token := (*string)(nil); ; {
		out, err := timed(ctx, func(ctx context.Context) (*organizations.ListAccountsOutput, error) {
			return c.ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: token})
		})
		if err != nil {
			return nil, fmt.Errorf("list the organisation's accounts: %w", err)
		}
		for _, a := range out.Accounts {
			active := a.State == types.AccountStateActive || a.State == "" && a.Status == types.AccountStatusActive
			if !active {
				continue
			}
			id := aws.ToString(a.Id)
			path := pathOf(a.Paths)
			if path == "" {
				if path, err = climb(ctx, c, aws.ToString(a.Arn), id, parents); err != nil {
					return nil, err
				}
			}
			all = append(all, Account{ID: id, OU: unitOf(path), Path: path})
		}
		if token = out.NextToken; aws.ToString(token) == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b Account) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

var entityPath = regexp.MustCompile(`^(o-[a-z0-9]+/r-[a-z0-9]+/(?:ou-[a-z0-9-]+/)*)(?:[0-9]{12}/?)?$`)

// pathOf returns the path of the unit in the first of an account's paths, which
// end with the account itself (IAM User Guide, "Understand the AWS
// Organizations entity path"); "" if there is none of that form.
func pathOf(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	if m := entityPath.FindStringSubmatch(paths[0]); m != nil {
		return m[1]
	}
	return ""
}

// unitOf returns the id of the unit with a path, "" for a root.
func unitOf(path string) string {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	if last := parts[len(parts)-1]; strings.HasPrefix(last, "ou-") {
		return last
	}
	return ""
}

// climb returns the path that an account is at, by way of its parents, which it
// keeps. The organisation's id is a part of the account's ARN.
func climb(ctx context.Context, c Organizations, arn, account string, parents map[string]string) (string, error) {
	_, rest, _ := strings.Cut(arn, ":account/")
	organization, _, ok := strings.Cut(rest, "/")
	if !ok {
		return "", fmt.Errorf("the ARN %q of account %s names no organisation", arn, account)
	}
	path := ""
	for child := account; !strings.HasPrefix(child, "r-"); {
		if parents[child] == "" {
			parent, err := timed(ctx, func(ctx context.Context) (string, error) { return parentOf(ctx, c, child) })
			if err != nil {
				return "", err
			}
			parents[child] = parent
		}
		child = parents[child]
		path = child + "/" + path
	}
	return organization + "/" + path, nil
}

// Directory knows the accounts that the deployment's owner watches. It is safe
// for concurrent use.
type Directory struct {
	listed        []Account
	organizations Organizations
	now           func() time.Time

	mu      sync.Mutex
	members []Account
	until   time.Time
}

// EveryAccount stands for the organisation's accounts among what NewDirectory
// is told.
const EveryAccount = "organization"

// membersFor is how long a list of the organisation's accounts serves.
const membersFor = 5 * time.Minute

// NewDirectory returns the directory that a setting names: EveryAccount, or
// account ids with commas between them, or nothing for the owner alone. The
// owner is always one of them. c is only used for EveryAccount.
func NewDirectory(setting, owner string, c Organizations, now func() time.Time) (*Directory, error) {
	if setting == EveryAccount {
		return &Directory{listed: []Account{{ID: owner}}, organizations: c, now: now}, nil
	}
	ids := []string{owner}
	for id := range strings.SplitSeq(setting, ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	d := &Directory{now: now}
	for _, id := range slices.Compact(ids) {
		if !ipam.IsAccountID(id) {
			return nil, fmt.Errorf("read the accounts %q: %q is no account id; give %s, or ids of 12 digits with commas between them", setting, id, EveryAccount)
		}
		d.listed = append(d.listed, Account{ID: id})
	}
	return d, nil
}

// Accounts returns the accounts by ascending id, as they were at most five
// minutes ago and not before Renew. Where they are listed, their organisational
// units are not known.
func (d *Directory) Accounts(ctx context.Context) ([]Account, error) {
	if d.organizations == nil {
		return d.listed, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); d.members == nil || !now.Before(d.until) {
		members, err := Members(ctx, d.organizations)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(members, func(a Account) bool { return a.ID == d.listed[0].ID }) {
			members = slices.Concat(d.listed, members)
		}
		d.members, d.until = members, now.Add(membersFor)
	}
	return d.members, nil
}

// Renew has the accounts listed anew when they are next asked for.
func (d *Directory) Renew() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = time.Time{}
}

// Regions returns the Regions that a discovery watches; ipams are those that it
// is associated with, of which the one that a default discovery was born with
// says where.
func Regions(d *ipam.Discovery, ipams []*ipam.IPAM) []string {
	if !d.Default() {
		return d.OperatingRegions
	}
	for _, o := range ipams {
		if o.ID == d.IPAM {
			return o.OperatingRegions
		}
	}
	return nil
}

// Watched returns which of the directory's accounts a discovery watches: one of
// the deployment's owner all that it does not exclude, but never leaves out the
// owner (Amazon VPC IPAM User Guide, "Exclude organizational units from IPAM");
// one of any other account that account alone.
func Watched(ctx context.Context, d *ipam.Discovery, owner string, directory *Directory) ([]Account, error) {
	if d.Owner != owner {
		return []Account{{ID: d.Owner}}, nil
	}
	all, err := directory.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var watched []Account
	for _, a := range all {
		if a.ID == owner || !d.Excludes(a.Path) {
			watched = append(watched, a)
		}
	}
	return watched, nil
}
