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

// Account is an account that Cadastre watches.
type Account struct {
	ID   string
	OU   string // id of its organisational unit; "" if it is in none or the unit is unknown
	Path string // path of OU or of the root, in the form of ipam.CheckExclusions; "" if unknown
}

// Organizations has the calls to AWS Organizations that [Members] makes. The
// SDK's client implements it.
type Organizations interface {
	ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error)
	Parents
}

// OrganizationActions are the IAM actions that [Members] needs, in the
// management account or in a delegated administrator's account.
var OrganizationActions = []string{"organizations:ListAccounts", "organizations:ListParents"}

// Members returns the organisation's active accounts by ascending id.
//
// An account's path comes from the answer. If the answer has none, Members
// builds it from the account's parents, and asks once for the parent of each
// unit.
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

var entityPath = regexp.MustCompile(`^(o-[a-z0-9]+/r-[a-z0-9]+/(?:ou-[a-z0-9-]+/)*)(?:` + ipam.AccountPattern + `/?)?$`)

// pathOf returns the unit's path in the first of an account's paths, and "" if
// that has another form. An account's path ends with the account itself (IAM
// User Guide, "Understand the AWS Organizations entity path").
func pathOf(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	if m := entityPath.FindStringSubmatch(paths[0]); m != nil {
		return m[1]
	}
	return ""
}

// unitOf returns the id of the unit with a path, and "" for a root.
func unitOf(path string) string {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	if last := parts[len(parts)-1]; strings.HasPrefix(last, "ou-") {
		return last
	}
	return ""
}

// climb returns an account's path from the organisation down. It asks for the
// parents and keeps them in parents. The organisation's id is a part of the
// account's ARN.
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

// Directory lists the accounts that the deployment's owner watches. It is safe
// for concurrent use.
type Directory struct {
	listed        []Account
	organizations Organizations
	excluded      map[string]bool // members that are not watched
	now           func() time.Time

	mu      sync.Mutex
	members []Account
	at      time.Time // of members
	until   time.Time
}

// EveryAccount is the setting of [NewDirectory] for all accounts of the
// organisation.
const EveryAccount = "organization"

// membersFor is the time for which a list of the organisation's accounts is
// valid.
const membersFor = 5 * time.Minute

// strangerAfter is the age from which a list of the organisation's accounts without a
// certain account is listed again for that account. Events come from members only (the bus
// admits the organisation alone), so the account joined after the list was made, or it is
// one that left.
const strangerAfter = 10 * time.Second

// NewDirectory returns the directory for a setting: [EveryAccount], or account
// ids with commas between them, or nothing for the owner alone. The directory
// always contains the owner. NewDirectory uses c for EveryAccount only.
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

// Exclude leaves accounts out of the organisation's: a setting of ids with commas
// between them, "" for none. The owner stays. Accounts of an organization may be out of
// reach of a StackSet, as the management account is.
func (d *Directory) Exclude(setting string) error {
	excluded := map[string]bool{}
	for id := range strings.SplitSeq(setting, ",") {
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		if !ipam.IsAccountID(id) {
			return fmt.Errorf("read the excluded accounts %q: %q is no account id; give ids of 12 digits with commas between them", setting, id)
		}
		excluded[id] = true
	}
	d.excluded = excluded
	return nil
}

// Accounts returns the accounts by ascending id. The list is at most five
// minutes old and not older than the last [Directory.Renew]. Accounts of a
// setting with ids have no organisational units.
func (d *Directory) Accounts(ctx context.Context) ([]Account, error) {
	if d.organizations == nil {
		return d.listed, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.valid(ctx)
}

// valid returns the accounts of an organisation. The caller holds the lock.
func (d *Directory) valid(ctx context.Context) ([]Account, error) {
	if now := d.now(); d.members == nil || !now.Before(d.until) {
		members, err := Members(ctx, d.organizations)
		if err != nil {
			return nil, err
		}
		owner := d.listed[0].ID
		members = slices.DeleteFunc(members, func(a Account) bool { return d.excluded[a.ID] && a.ID != owner })
		if !slices.ContainsFunc(members, func(a Account) bool { return a.ID == owner }) {
			members = slices.Concat(d.listed, members)
		}
		d.members, d.at, d.until = members, now, now.Add(membersFor)
	}
	return d.members, nil
}

// Meet lists the accounts again if a list that is older than ten seconds lacks an account
// that is not excluded. So an account is known by its first event, and not five minutes
// after it joined the organisation.
func (d *Directory) Meet(ctx context.Context, account string) error {
	if d.organizations == nil || d.excluded[account] {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	members, err := d.valid(ctx)
	if err != nil || slices.ContainsFunc(members, func(a Account) bool { return a.ID == account }) || d.now().Before(d.at.Add(strangerAfter)) {
		return err
	}
	until := d.until
	d.until = time.Time{}
	if _, err = d.valid(ctx); err != nil {
		d.until = until
	}
	return err
}

// Renew makes the next [Directory.Accounts] list the accounts again.
func (d *Directory) Renew() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = time.Time{}
}

// Regions returns the Regions that a discovery watches. ipams are its
// associated IPAMs. A default discovery watches the operating Regions of the
// IPAM that it was created with.
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

// Watched returns the directory's accounts that a discovery watches. A
// discovery of the deployment's owner watches all accounts that it does not
// exclude, and always the owner (Amazon VPC IPAM User Guide, "Exclude
// organizational units from IPAM"). A discovery of another account watches that
// account alone.
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
