package migration_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/ops/opstest"
)

const (
	home    = opstest.Region
	account = opstest.Account
	member  = "444455556666"
)

// env is a deployment: the real operations on a table in memory, behind HTTP.
type env struct {
	testing.TB
	*opstest.Server
}

func newEnv(t testing.TB, quotas ...func(*ipam.Quotas)) *env {
	return &env{t, opstest.New(t, quotas...)}
}

// api returns the deployment's API as an account calls it. The SDK makes one attempt.
func (e *env) api(caller string) migration.Cadastre {
	keys := credentials.NewStaticCredentialsProvider(caller, "secret", "")
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	e.Cleanup(transport.CloseIdleConnections)
	sender := &http.Client{Transport: ownBody{transport}}
	cfg := aws.Config{Region: home, Credentials: keys, HTTPClient: sender, Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	return migration.Cadastre{
		EC2:  ec2.NewFromConfig(cfg, client.Options(e.URL, home)),
		JSON: &client.JSON{Endpoint: e.URL, Region: home, ActFor: home, Credentials: keys, Client: sender},
	}
}

// ownBody sends requests with a copy of their bodies. A server in the same process can
// answer before the transport has read the end of a body. The SDK closes the body when it
// has the answer, and the transport then closes the connection under the answer.
type ownBody struct{ http.RoundTripper }

func (o ownBody) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return o.RoundTripper.RoundTrip(r)
}

func (e *env) importer() *migration.Importer {
	api := e.api(account)
	return &migration.Importer{API: api, Read: func(ctx context.Context) (*migration.Deployment, error) { return api.Read(ctx, "", 0, nil) }}
}

// importAll imports a document, and fails unless all of it is taken.
func (e *env) importAll(d *migration.Document) *migration.Result {
	e.Helper()
	result, err := e.importer().Import(context.Background(), d)
	if err != nil {
		e.Fatal(err)
	}
	for _, f := range result.Findings {
		e.Errorf("finding: %s", f)
	}
	return result
}

// read returns the content of the deployment.
func (e *env) read() *migration.Deployment {
	e.Helper()
	d, err := e.api(account).Read(context.Background(), "", 0, nil)
	if err != nil {
		e.Fatal(err)
	}
	return d
}

// clean checks the table.
func (e *env) clean() {
	e.Helper()
	e.Clean(e.TB)
}

// release releases an allocation of a pool.
func (e *env) release(pool, cidr string) {
	e.Helper()
	for _, s := range e.read().Scopes {
		for _, p := range s.Pools {
			for _, a := range p.Allocations {
				if p.Name != pool || a.CIDR != cidr {
					continue
				}
				if _, err := e.api(account).EC2.ReleaseIpamPoolAllocation(context.Background(), &ec2.ReleaseIpamPoolAllocationInput{IpamPoolId: &p.ID, Cidr: &cidr, IpamPoolAllocationId: &a.ID}); err != nil {
					e.Fatal(err)
				}
				return
			}
		}
	}
	e.Fatalf("%s has no allocation %s", pool, cidr)
}

func exportJSON(t testing.TB, d *migration.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func exportCSV(t testing.TB, d *migration.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func readJSON(t testing.TB, text string) *migration.Document {
	t.Helper()
	d, err := migration.ReadJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readCSV reads a document, and fails if there is a finding.
func readCSV(t testing.TB, text string) *migration.Document {
	t.Helper()
	d, findings, err := migration.ReadCSV(strings.NewReader(text), migration.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("finding: %s", f)
	}
	return d
}
