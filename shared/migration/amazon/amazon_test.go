package amazon_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/ops/opstest"
)

// deployment is Cadastre.
type deployment struct {
	*testing.T
	*opstest.Server
}

func newDeployment(t *testing.T) *deployment {
	return &deployment{t, opstest.New(t, func(q *ipam.Quotas) { q.PoolsPerScope, q.CIDRsPerPool = 400, 400 })}
}

// api returns the API. Reads are repeated at once if they fail; the importer repeats all
// other calls.
func (d *deployment) api(caller string) migration.Cadastre {
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	d.Cleanup(transport.CloseIdleConnections)
	keys, sender := credentials.NewStaticCredentialsProvider(caller, "secret", ""), &http.Client{Transport: transport}
	cfg := aws.Config{Region: home, Credentials: keys, HTTPClient: sender, Retryer: func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			o.RateLimiter = unlimited{}
		})
	}}
	return migration.Cadastre{EC2: ec2.NewFromConfig(cfg, client.Options(d.URL, home)), JSON: &client.JSON{Endpoint: d.URL, Region: home, ActFor: home, Credentials: keys, Client: sender}}
}

func (d *deployment) read() *migration.Deployment {
	d.Helper()
	read, err := d.api(account).Read(context.Background(), "", 16, nil)
	if err != nil {
		d.Fatal(err)
	}
	return read
}

func (d *deployment) importer() *migration.Importer {
	api := d.api(account)
	return &migration.Importer{
		API: api, Parallel: 16, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Read: func(ctx context.Context) (*migration.Deployment, error) { return api.Read(ctx, "", 16, nil) },
		For:  func(_ context.Context, account string) (migration.Cadastre, error) { return d.api(account), nil },
	}
}

func toJSON(t *testing.T, d *migration.Deployment) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// size is the number of a fake's pools in each of three scopes, without the top-level one,
// and of its allocations in all.
type size struct{ pools, allocations int }

// sizeOf returns the size of the fakes of a test.
func sizeOf() size {
	if testing.Short() {
		return size{9, 450}
	}
	return size{99, 5000}
}

// large fills a fake with pools and custom allocations in four scopes, shares of two pools,
// and resources.
func large(t *testing.T, n size) *fake {
	f := newFake(t)
	f.fill()
	made := 0
	custom := func(pool, cidr string) {
		a := f.allocate(pool, cidr, "custom", "")
		if made++; made%3 == 0 {
			a.Description = aws.String(fmt.Sprintf("network %d", made))
		}
		if made%7 == 0 {
			a.Tags = tags("Name", fmt.Sprint("n", made), "env", "")
		}
	}
	var children []string
	for scope, first := range []int{0: 10, 2: 11, 3: 20} {
		if first == 0 {
			continue // the public scope
		}
		top := f.pool(scope, "", "", "top", fmt.Sprintf("%d.0.0.0/8", first))
		for i := range n.pools {
			locale := []string{home, "us-east-1", ""}[i%3]
			child := f.pool(scope, top, locale, []string{"app", fmt.Sprint("team ", i)}[i%2], fmt.Sprintf("%d.%d.0.0/16", first, i))
			for j := range 16 {
				custom(child, fmt.Sprintf("%d.%d.%d.0/24", first, i, j))
			}
			children = append(children, child)
		}
	}
	f.share(children[0], member, "arn:aws:organizations::"+account+":ou/o-a1b2c3d4e5/"+unit)
	f.share(children[1], "arn:aws:organizations::"+account+":organization/o-a1b2c3d4e5")
	theirs := f.allocate(children[0], "10.0.250.0/24", "custom", "")
	theirs.ResourceOwner = aws.String(member)
	f.vpc("vpc-1", "10.0.200.0/24", &children[0], "managed", "compliant", "nonoverlapping")
	f.vpc("vpc-2", "10.6.128.0/20", nil, "ignored", "ignored", "ignored")
	f.vpc("vpc-3", "203.0.112.0/20", nil, "unmanaged", "unmanaged", "nonoverlapping")
	for k := 0; made < n.allocations-1; k++ {
		custom(children[k%n.pools], fmt.Sprintf("10.%d.%d.0/24", k%n.pools, 100+k/n.pools))
	}
	return f
}

// seen are the VPCs of the fake, as Cadastre's discovery sees them.
func (d *deployment) seeVPCs() {
	for id, cidr := range map[string]string{"vpc-1": "10.0.200.0/24", "vpc-2": "10.6.128.0/20", "vpc-3": "203.0.112.0/20"} {
		d.Observe(d.T, ipam.Resource{Type: ipam.ResourceVPC, ID: id, VPC: id, CIDR: netip.MustParsePrefix(cidr), Owner: member, Region: home, Tags: ipam.Tags{"env": "prod"}})
	}
}

// An Amazon VPC IPAM is imported, although each call of Cadastre's fails once and Amazon
// refuses every ninth for lack of capacity: before the call is carried out, or after.
// Then, with the VPCs that discovery sees, both are compared.
func TestImport(t *testing.T) {
	n := sizeOf()
	f := large(t, n)
	f.throttle = 9
	source, findings, err := f.source().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var objects []string
	for _, x := range findings {
		objects = append(objects, x.Object+": "+x.Message)
	}
	if diff := cmp.Diff([]string{
		"resource discoveries besides the default one: The IPAM has 1, which an import does not make.", "prefix list resolvers: The IPAM has 3, which an import does not make.", "policies: The caller may not list them.",
	}, objects); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
	pools, allocations, shares := 0, 0, 0
	for _, s := range source.Scopes {
		for _, p := range s.Pools {
			pools, allocations, shares = pools+1, allocations+len(p.Allocations), shares+len(p.Shares)
		}
	}
	if pools != 3*n.pools+3 || allocations != n.allocations || shares != 3 || len(source.Scopes) != 4 {
		t.Fatalf("%d pools, %d allocations, %d shares, %d scopes", pools, allocations, shares, len(source.Scopes))
	}

	d := newDeployment(t)
	d.CutOnce()
	result, err := d.importer().Import(t.Context(), &source.Document)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Findings) != 1 || result.Findings[0].Kind != migration.KindNotSeen {
		t.Errorf("findings %v", result.Findings)
	}
	d.Cut(nil)
	d.Clean(t)

	d.seeVPCs()
	if result, err := d.importer().Import(t.Context(), &source.Document); err != nil || result.Done != 1 || len(result.Findings) > 0 {
		t.Errorf("the second import: %+v, %v", result, err)
	}
	d.Clean(t)
	made := d.read()
	if diff := cmp.Diff(toJSON(t, source), toJSON(t, made)); diff != "" {
		t.Errorf("the content differs (-Amazon +Cadastre):\n%s", diff)
	}
	if differences := migration.Compare(source, made); len(differences) > 0 {
		t.Errorf("%d differences, the first of them %+v", len(differences), differences[0])
	}
	if plan, err := d.importer().Plan(t.Context(), &source.Document); err != nil || len(plan.Steps)+len(plan.Findings) > 0 {
		t.Errorf("%v, %v", plan, err)
	}
}

// The import breaks off at calls all over it, and goes on each time where it was.
func TestImportBrokenOff(t *testing.T) {
	f := large(t, sizeOf())
	source, _, err := f.source().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := newDeployment(t)
	breaks := []int{1, 3, 700, 720, 740, 1000, 1250, 1500}
	if testing.Short() {
		breaks = []int{1, 30, 80, 90, 100, 110, 120, 150}
	}
	for _, n := range breaks {
		ctx, cancel := context.WithCancel(t.Context())
		left := n
		d.Cut(func(string) opstest.Fault {
			if left--; left > 0 {
				return opstest.NoFault
			}
			cancel()
			return []opstest.Fault{opstest.NotApplied, opstest.AnswerLost}[n%2]
		})
		if _, err := d.importer().Import(ctx, &source.Document); err == nil {
			t.Errorf("the import did not break off at call %d", n)
		}
		cancel()
	}
	d.Cut(nil)
	if result, err := d.importer().Import(t.Context(), &source.Document); err != nil || len(result.Findings) != 1 || result.Done == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	d.Clean(t)
	d.seeVPCs()
	if _, err := d.importer().Import(t.Context(), &source.Document); err != nil {
		t.Error(err)
	}
	if differences := migration.Compare(source, d.read()); len(differences) > 0 {
		t.Errorf("%d differences, the first of them %+v", len(differences), differences[0])
	}
}

// Public space, external authorities, and resources that are no VPCs are reported.
func TestReport(t *testing.T) {
	f := newFake(t)
	f.fill()
	f.scopes[2].ExternalAuthorityConfiguration = &types.IpamScopeExternalAuthorityConfiguration{Type: types.IpamScopeExternalAuthorityTypeInfoblox, ExternalResourceIdentifier: aws.String("x")}
	pool := f.pool(1, "", home, "byoip", "198.51.100.0/24")
	f.pools[0].IpamScopeType, f.pools[0].AutoImport, f.pools[0].AwsService, f.pools[0].PublicIpSource = types.IpamScopeTypePublic, nil, types.IpamPoolAwsServiceEc2, types.IpamPoolPublicIpSourceByoip
	f.allocate(pool, "198.51.100.7/32", "eip", "eipalloc-1")
	f.share(pool, "arn:aws:iam::"+member+":role/network")
	source, findings, err := f.source().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan := migration.NewPlan(newDeployment(t).read(), &source.Document, migration.Options{})
	var got []string
	for _, x := range append(findings, plan.Findings...) {
		got = append(got, string(x.Kind)+" "+x.Object)
	}
	if diff := cmp.Diff([]string{
		"unsupported external authorities of scopes", "unsupported resource discoveries besides the default one", "unsupported prefix list resolvers", "unsupported policies",
		"unsupported 198.51.100.7/32", "unsupported 198.51.100.0/24", "account byoip",
	}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestNothingToRead(t *testing.T) {
	f := newFake(t)
	f.ipam.State = types.IpamStateDeleteComplete
	if _, _, err := f.source().Read(t.Context()); err == nil || !strings.Contains(err.Error(), "no IPAM") {
		t.Errorf("error %v", err)
	}
	f.fill()
	f.Close()
	if _, _, err := f.source().Read(t.Context()); err == nil {
		t.Error("no error without an answer")
	}
}
