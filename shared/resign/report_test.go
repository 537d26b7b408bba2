package resign_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/resign"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
)

const (
	deletedVPC       = `<DeleteVpcResponse><requestId>r-1</requestId><return>true</return></DeleteVpcResponse>`
	disassociatedVPC = `<DisassociateVpcCidrBlockResponse><requestId>r-1</requestId><vpcId>vpc-1</vpcId><cidrBlockAssociation>` +
		`<associationId>vpc-cidr-assoc-1</associationId><cidrBlock>10.1.0.0/16</cidrBlock><cidrBlockState><state>disassociating</state></cidrBlockState></cidrBlockAssociation></DisassociateVpcCidrBlockResponse>`
	disassociatedVPC6 = `<DisassociateVpcCidrBlockResponse><vpcId>vpc-1</vpcId><ipv6CidrBlockAssociation>` +
		`<associationId>vpc-cidr-assoc-6</associationId><ipv6CidrBlock>2001:db8::/56</ipv6CidrBlock></ipv6CidrBlockAssociation></DisassociateVpcCidrBlockResponse>`
	disassociatedSubnet = `<DisassociateSubnetCidrBlockResponse><subnetId>subnet-1</subnetId><ipv6CidrBlockAssociation>` +
		`<associationId>subnet-cidr-assoc-1</associationId><ipv6CidrBlock>2001:db8::/64</ipv6CidrBlock></ipv6CidrBlockAssociation></DisassociateSubnetCidrBlockResponse>`
	accepted = `<ReportIpamResourceDeletionResponse><requestId>r-2</requestId></ReportIpamResourceDeletionResponse>`
)

// drain waits until the proxy has ended all calls and sent all reports.
func (r *env) drain(t *testing.T) {
	t.Helper()
	r.calls.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r.proxy.Close(ctx)
	if ctx.Err() != nil {
		t.Fatal("the reports do not end")
	}
}

// The proxy reports the deletions of EC2, and nothing else. The caller gets EC2's answer.
func TestDeletionsAreReported(t *testing.T) {
	const region = "&ResourceRegion=ap-northeast-3&Version=" + wire.APIVersion
	for _, c := range []struct {
		name, body string
		status     int
		answer     string
		want       string // the report without Action; "" for none
	}{
		{"a VPC", "Action=DeleteVpc&VpcId=vpc-1", 200, deletedVPC, "ResourceId=vpc-1" + region},
		{"a subnet", "Action=DeleteSubnet&SubnetId=subnet-1", 200, deletedVPC, "ResourceId=subnet-1" + region},
		{"a VPC's CIDR", "Action=DisassociateVpcCidrBlock&AssociationId=vpc-cidr-assoc-1", 200, disassociatedVPC, "AssociationId=vpc-cidr-assoc-1&ResourceCidr=10.1.0.0%2F16&ResourceId=vpc-1" + region},
		{"a VPC's IPv6 CIDR", "Action=DisassociateVpcCidrBlock&AssociationId=vpc-cidr-assoc-6", 200, disassociatedVPC6, "AssociationId=vpc-cidr-assoc-6&ResourceCidr=2001%3Adb8%3A%3A%2F56&ResourceId=vpc-1" + region},
		{"a subnet's CIDR", "Action=DisassociateSubnetCidrBlock&AssociationId=subnet-cidr-assoc-1", 200, disassociatedSubnet, "AssociationId=subnet-cidr-assoc-1&ResourceCidr=2001%3Adb8%3A%3A%2F64&ResourceId=subnet-1" + region},
		{"a VPC that EC2 keeps", "Action=DeleteVpc&VpcId=vpc-1", 400, `<Response><Errors><Error><Code>DependencyViolation</Code></Error></Errors></Response>`, ""},
		{"a VPC that EC2 may have deleted", "Action=DeleteVpc&VpcId=vpc-1", 503, `<Response><Errors><Error><Code>Unavailable</Code></Error></Errors></Response>`, ""},
		{"a CIDR that EC2 keeps", "Action=DisassociateVpcCidrBlock&AssociationId=a", 400, `<Response><Errors><Error><Code>x</Code></Error></Errors></Response>`, ""},
		{"an answer without a VPC", "Action=DisassociateVpcCidrBlock&AssociationId=a", 200, `<DisassociateVpcCidrBlockResponse/>`, ""},
		{"an answer that is no XML", "Action=DisassociateVpcCidrBlock&AssociationId=a", 200, `x`, ""},
		{"an answer that is too long", "Action=DisassociateVpcCidrBlock&AssociationId=a", 200, disassociatedVPC + strings.Repeat(" ", 70_000) + "<x>", "AssociationId=vpc-cidr-assoc-1&ResourceCidr=10.1.0.0%2F16&ResourceId=vpc-1" + region},
		{"a read", "Action=DescribeVpcs&VpcId=vpc-1", 200, vpcs, ""},
		{"another deletion", "Action=DeleteNatGateway&NatGatewayId=nat-1", 200, deletedVPC, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newEnv(t, nil)
			r.ec2.handler, r.cadastre.handler = answer(c.status, c.answer), answer(200, accepted)
			status, _, body, _ := r.post(t, c.body, nil)
			r.drain(t)
			if status != c.status || body != c.answer {
				t.Errorf("the caller got %d %s", status, body)
			}
			var got []string
			for i, b := range r.cadastre.bodies {
				got = append(got, b)
				if q := r.cadastre.seen[i]; q.Method != "POST" || q.URL.Path != "/prod" || q.Header.Get(wire.RegionHeader) != "ap-northeast-3" || q.Header.Get("Content-Type") != "application/x-www-form-urlencoded; charset=utf-8" {
					t.Errorf("sent %s %s, %v", q.Method, q.URL, q.Header)
				}
			}
			var want []string
			if c.want != "" {
				form, _ := url.ParseQuery("Action=ReportIpamResourceDeletion&" + c.want)
				want = []string{form.Encode()}
			}
			if !slices.Equal(got, want) {
				t.Errorf("reported %q, want %q", got, want)
			}
			if silent := !strings.Contains(r.log.String(), "disassociation is not reported"); silent != (c.want != "" || c.status != 200 || !strings.Contains(c.body, "Disassociate")) {
				t.Errorf("the log is %s", r.log)
			}
		})
	}
	t.Run("by the SDK, compressed", func(t *testing.T) {
		r := newEnv(t, nil)
		r.cadastre.handler = answer(200, accepted)
		r.ec2.handler = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, disassociatedVPC)
			z.Close()
		}
		status, _, body, _ := r.post(t, "Action=DisassociateVpcCidrBlock&AssociationId=vpc-cidr-assoc-1", func(q *http.Request) { q.Header.Set("Accept-Encoding", "gzip") })
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(z)
		r.drain(t)
		if status != 200 || string(text) != disassociatedVPC || r.cadastre.calls() != 1 || !strings.Contains(r.cadastre.bodies[0], "ResourceCidr=10.1.0.0%2F16") {
			t.Errorf("the caller got %d %s, and Cadastre %q", status, text, r.cadastre.bodies)
		}
		r.ec2.handler = answer(200, deletedVPC)
		if _, err := r.sdk("ap-northeast-3").DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: aws.String("vpc-7")}); err != nil {
			t.Error(err)
		}
		r.drain(t)
		if r.cadastre.calls() != 2 || !strings.Contains(r.cadastre.bodies[1], "ResourceId=vpc-7") {
			t.Errorf("Cadastre got %q", r.cadastre.bodies)
		}
	})
	t.Run("without verification", func(t *testing.T) {
		r := newEnv(t, func(c *resign.Config) { c.AnyKey = true })
		r.ec2.handler, r.cadastre.handler = answer(200, deletedVPC), answer(200, accepted)
		r.post(t, "Action=DeleteVpc&VpcId=vpc-1", func(q *http.Request) { q.Header.Set("Authorization", authorization) })
		r.drain(t)
		if r.cadastre.calls() != 1 {
			t.Errorf("%d reports", r.cadastre.calls())
		}
	})
}

// The caller has EC2's answer before Cadastre has answered the report, or if Cadastre
// never does.
func TestReportsDelayNoAnswer(t *testing.T) {
	r := newEnv(t, nil)
	entered, leave := make(chan bool, 1), make(chan bool)
	r.ec2.handler, r.cadastre.handler = answer(200, deletedVPC), func(w http.ResponseWriter, q *http.Request) {
		entered <- true
		<-leave
		io.WriteString(w, accepted)
	}
	status, _, body, header := r.post(t, "Action=DeleteVpc&VpcId=vpc-1", nil)
	if status != 200 || body != deletedVPC || !slices.Equal(header["X-Answer"], []string{"one", "two"}) {
		t.Errorf("got %d %s, %v", status, body, header)
	}
	<-entered
	close(leave)
	r.drain(t)
	if !strings.Contains(r.log.String(), `"msg":"deletion reported","resource":"vpc-1","region":"ap-northeast-3"`) {
		t.Errorf("the log is %s", r.log)
	}

	// A report under way ends with the context of Close.
	r = newEnv(t, nil)
	gone := make(chan bool)
	r.ec2.handler, r.cadastre.handler = answer(200, deletedVPC), func(_ http.ResponseWriter, q *http.Request) {
		<-q.Context().Done()
		close(gone)
	}
	r.post(t, "Action=DeleteVpc&VpcId=vpc-1", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r.proxy.Close(ctx)
	<-gone
	if r.cadastre.calls() != 1 || !strings.Contains(r.log.String(), "deletion not reported") {
		t.Errorf("%d calls, and the log is %s", r.cadastre.calls(), r.log)
	}
}

// A report is sent again after a failure that may pass, at most three times, and not after
// a refusal. The last failure is logged.
func TestReportsAreSentAgain(t *testing.T) {
	refusal := func(code ipam.Code) http.HandlerFunc {
		return answer(ipam.InfoOf(code).Status, string(ec2query.EncodeError("r-1", ipam.Errorf(code, "why not"))))
	}
	hangUp := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	gateway := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, `{"message":"no"}`)
		}
	}
	for _, c := range []struct {
		name  string
		fails http.HandlerFunc
		again bool
	}{
		{"EC2 still shows it", refusal(ipam.CodeIncorrectState), true},
		{"throttled", refusal(ipam.CodeRequestLimitExceeded), true},
		{"no answer of EC2", refusal(ipam.CodeUnavailable), true},
		{"an unknown outcome", refusal(ipam.CodeOutcomeUnknown), true},
		{"a lost connection", hangUp, true},
		{"throttled by API Gateway", gateway(429), true},
		{"a time-out of API Gateway", gateway(504), true},
		{"no class", refusal(ipam.CodeUnauthorizedOperation), false},
		{"no vending role", refusal(ipam.CodeUnsupportedOperation), false},
		{"an older deployment", refusal(ipam.CodeInvalidAction), false},
		{"IAM says no", gateway(403), false},
	} {
		for fails := 1; fails <= 4; fails++ {
			r := newEnv(t, nil)
			var waits []time.Duration
			r.proxy.SetReports(func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil })
			n := 0
			r.ec2.handler, r.cadastre.handler = answer(200, deletedVPC), func(w http.ResponseWriter, q *http.Request) {
				if n++; n <= fails {
					c.fails(w, q)
					return
				}
				io.WriteString(w, accepted)
			}
			if status, _, body, _ := r.post(t, "Action=DeleteVpc&VpcId=vpc-1", nil); status != 200 || body != deletedVPC {
				t.Errorf("%s: the caller got %d %s", c.name, status, body)
			}
			r.drain(t)
			calls, done := fails+1, true
			if !c.again {
				calls, done = 1, false
			} else if fails == 4 {
				calls, done = 4, false
			}
			if r.cadastre.calls() != calls || !slices.Equal(waits, []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second}[:calls-1]) {
				t.Errorf("%s, %d times: %d calls with waits %v, want %d", c.name, fails, r.cadastre.calls(), waits, calls)
			}
			if log := r.log.String(); strings.Contains(log, `"msg":"deletion reported"`) != done || strings.Contains(log, "deletion not reported") == done {
				t.Errorf("%s, %d times: the log is %s", c.name, fails, log)
			}
		}
	}
	t.Run("no credentials", func(t *testing.T) {
		n := 0
		r := newEnv(t, func(c *resign.Config) {
			c.Credentials = provider(func() (aws.Credentials, error) {
				if n++; n == 2 { // the first report
					return aws.Credentials{}, errors.New("expired")
				}
				return own, nil
			})
		})
		r.proxy.SetReports(func(context.Context, time.Duration) error { return nil })
		r.ec2.handler, r.cadastre.handler = answer(200, deletedVPC), answer(200, accepted)
		r.post(t, "Action=DeleteVpc&VpcId=vpc-1", nil)
		r.drain(t)
		if n != 3 || r.cadastre.calls() != 1 {
			t.Errorf("credentials %d times, %d reports", n, r.cadastre.calls())
		}
	})
}

// At most four reports are sent at once, and a thousand wait. The others are dropped, and
// the log says so.
func TestManyReports(t *testing.T) {
	r := newEnv(t, nil)
	var mu sync.Mutex
	under, most := 0, 0
	leave := make(chan bool)
	r.ec2.handler, r.cadastre.handler = answer(200, deletedVPC), func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		under++
		most = max(most, under)
		mu.Unlock()
		<-leave
		mu.Lock()
		under--
		mu.Unlock()
		io.WriteString(w, accepted)
	}
	const beyond = 3
	for i := range 1000 + beyond {
		r.post(t, fmt.Sprintf("Action=DeleteVpc&VpcId=vpc-%d", i), nil)
	}
	close(leave)
	r.drain(t)
	reports := map[string]bool{}
	for _, b := range r.cadastre.bodies {
		reports[b] = true
	}
	if most != 4 || len(reports) != 1000 || r.cadastre.calls() != 1000 {
		t.Errorf("%d at once, %d reports of %d", most, r.cadastre.calls(), len(reports))
	}
	if n := bytes.Count(r.log.Bytes(), []byte("deletion not reported")); n != beyond {
		t.Errorf("%d dropped reports in the log", n)
	}
	r.post(t, "Action=DeleteVpc&VpcId=vpc-last", nil) // there is room again
	r.drain(t)
	if r.cadastre.calls() != 1001 {
		t.Errorf("%d reports", r.cadastre.calls())
	}
}
