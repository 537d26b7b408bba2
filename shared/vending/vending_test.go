package vending_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/cadastre-ipam/cadastre/shared/assume"
	"github.com/cadastre-ipam/cadastre/shared/vending"
)

const (
	member = "444455556666"
	alice  = "arn:aws:sts::444455556666:assumed-role/deployment/alice"
)

// service plays STS and EC2. It gives the answers that a test sets, and records
// the requests.
type service struct {
	mu       sync.Mutex
	asked    []string // "AssumeRole us-east-1 by AKIAOWNER", "CreateVpc eu-west-1 by ASIA444455556666"
	sessions []string
	expires  time.Duration       // life of credentials; 0: 15 minutes
	fail     func(string) string // by action: the code of a refusal, or "hang up" or "wait"
}

var credential = regexp.MustCompile(`Credential=(\w+)/\d+/([\w-]+)/`)

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	action, by := r.Form.Get("Action"), credential.FindStringSubmatch(r.Header.Get("Authorization"))
	code := s.hear(action, by[2]+" by "+by[1])
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case code == "wait":
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
	case code == "hang up":
		panic(http.ErrAbortHandler)
	case action == "AssumeRole" && code != "":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>refused</Message></Error></ErrorResponse>`, code)
	case action == "AssumeRole":
		expires := s.expires
		if expires == 0 {
			expires = 15 * time.Minute
		}
		account := strings.Split(r.Form.Get("RoleArn"), ":")[4]
		s.sessions = append(s.sessions, fmt.Sprintf("%s as %s from %s for %s s", r.Form.Get("RoleArn"), r.Form.Get("RoleSessionName"), r.Form.Get("SourceIdentity"), r.Form.Get("DurationSeconds")))
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser><Credentials>`+
			`<AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			account, time.Now().Add(expires).UTC().Format(time.RFC3339))
	case code != "":
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>refused</Message></Error></Errors></Response>`, code)
	default:
		fmt.Fprintf(w, `<%[1]sResponse><vpc><vpcId>vpc-1</vpcId></vpc></%[1]sResponse>`, action)
	}
}

// hear records a call and returns the fault for it, or "".
func (s *service) hear(action, how string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, action+" "+how)
	if s.fail == nil {
		return ""
	}
	return s.fail(action)
}

// set sets the fault of the next calls.
func (s *service) set(fail func(string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// calls returns the requests so far.
func (s *service) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// start returns a [vending.Vending] that calls the service.
func (s *service) start(t *testing.T) *vending.Vending {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return vending.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAOWNER", "s", ""),
	}, vending.DefaultRole)
}

// calls are all calls of a client in these tests.
var calls = map[string]func(context.Context, *ec2.Client) error{
	"CreateVpc": func(ctx context.Context, c *ec2.Client) error {
		_, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/24")})
		return err
	},
	"AssociateVpcCidrBlock": func(ctx context.Context, c *ec2.Client) error {
		_, err := c.AssociateVpcCidrBlock(ctx, &ec2.AssociateVpcCidrBlockInput{VpcId: aws.String("vpc-1")})
		return err
	},
	"DisassociateVpcCidrBlock": func(ctx context.Context, c *ec2.Client) error {
		_, err := c.DisassociateVpcCidrBlock(ctx, &ec2.DisassociateVpcCidrBlockInput{AssociationId: aws.String("a")})
		return err
	},
	"DescribeSubnets": func(ctx context.Context, c *ec2.Client) error {
		_, err := c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
		return err
	},
	"CreateSubnet": func(ctx context.Context, c *ec2.Client) error {
		_, err := c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: aws.String("vpc-1")})
		return err
	},
}

func client(t *testing.T, v *vending.Vending, account, region, principal string) *ec2.Client {
	t.Helper()
	c, err := v.EC2(t.Context(), account, region, principal)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCallsAreMadeInTheAccountAndRegion(t *testing.T) {
	s := &service{}
	v := s.start(t)
	for _, c := range []struct{ account, region, principal string }{
		{member, "eu-west-1", alice}, {member, "ap-northeast-3", alice}, {"777788889999", "eu-west-1", "arn:aws:iam::777788889999:user/bob"}, {member, "eu-west-1", alice},
	} {
		if err := calls["CreateVpc"](t.Context(), client(t, v, c.account, c.region, c.principal)); err != nil {
			t.Fatal(err)
		}
	}
	const assumed = "AssumeRole us-east-1 by AKIAOWNER"
	if want := []string{
		assumed, "CreateVpc eu-west-1 by ASIA" + member, "CreateVpc ap-northeast-3 by ASIA" + member, assumed, "CreateVpc eu-west-1 by ASIA777788889999", "CreateVpc eu-west-1 by ASIA" + member,
	}; !slices.Equal(s.calls(), want) {
		t.Errorf("asked %q, want %q", s.calls(), want)
	}
	if want := []string{
		"arn:aws:iam::" + member + ":role/CadastreVending as assumed-role,deployment,alice from assumed-role,deployment,alice for 900 s", "arn:aws:iam::777788889999:role/CadastreVending as user,bob from user,bob for 900 s",
	}; !slices.Equal(s.sessions, want) {
		t.Errorf("sessions %q, want %q", s.sessions, want)
	}
}

// Two principals of an account have two sessions.
func TestSessionsAreOfTheirPrincipals(t *testing.T) {
	s := &service{}
	v := s.start(t)
	for _, principal := range []string{alice, "arn:aws:iam::444455556666:user/bob", alice} {
		client(t, v, member, "us-east-1", principal)
	}
	if len(s.sessions) != 2 || !strings.Contains(s.sessions[1], " as user,bob ") {
		t.Errorf("sessions %q", s.sessions)
	}
}

// Credentials that would end during a call are not used.
func TestCredentialsThatAreAboutToEndAreReplaced(t *testing.T) {
	s := &service{expires: 30 * time.Second}
	v := s.start(t)
	client(t, v, member, "us-east-1", alice)
	client(t, v, member, "us-east-1", alice)
	if len(s.sessions) != 2 {
		t.Errorf("%d sessions", len(s.sessions))
	}
}

// Each call is made once, for any fault. A second try after a lost answer would
// act twice.
func TestNoCallIsMadeTwice(t *testing.T) {
	for name, call := range calls {
		for _, fault := range []string{"hang up", "InternalError", "RequestLimitExceeded", "Unavailable"} {
			s := &service{fail: func(action string) string { return map[bool]string{true: fault}[action == name] }}
			v := s.start(t)
			err := call(t.Context(), client(t, v, member, "us-east-1", alice))
			if n := len(s.calls()); err == nil || n != 2 { // the first is AssumeRole
				t.Errorf("%s, %s: %d calls, %v", name, fault, n, err)
			}
			answered, ok := errors.AsType[smithy.APIError](err)
			if ok != (fault != "hang up") || ok && answered.ErrorCode() != fault {
				t.Errorf("%s, %s: %v", name, fault, err)
			}
		}
	}
}

// STS answers a repeated AssumeRole like the first one.
func TestAssumingIsRetried(t *testing.T) {
	n := 0
	s := &service{fail: func(action string) string {
		if n++; n == 1 {
			return "hang up"
		}
		return ""
	}}
	if client(t, s.start(t), member, "us-east-1", alice); len(s.calls()) != 2 {
		t.Errorf("asked %q", s.calls())
	}
}

func TestRoleThatCannotBeAssumed(t *testing.T) {
	s := &service{fail: func(string) string { return "AccessDenied" }}
	v := s.start(t)
	_, err := v.EC2(t.Context(), member, "us-east-1", alice)
	refused, ok := errors.AsType[*assume.Error](err)
	if !ok || refused.Role != "arn:aws:iam::"+member+":role/CadastreVending" {
		t.Fatalf("%v", err)
	}
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "AccessDenied" {
		t.Errorf("%v does not contain STS's message", err)
	}
	s.fail = nil // the role exists now
	client(t, v, member, "us-east-1", alice)
}

// The session of a replaced role is not valid for the new role. A repaired role
// is usable at once.
func TestSessionThatIsRefusedIsReplaced(t *testing.T) {
	for code, assumed := range map[string]int{
		"AuthFailure": 2, "ExpiredToken": 2, "InvalidClientTokenId": 2, "RequestExpired": 2, "UnauthorizedOperation": 2,
		"InvalidVpcID.NotFound": 1, "VpcLimitExceeded": 1, "RequestLimitExceeded": 1, "InternalError": 1, "hang up": 1,
	} {
		for name, call := range calls {
			s := &service{}
			v := s.start(t)
			client(t, v, "777788889999", "us-east-1", "arn:aws:iam::777788889999:user/bob")
			refused := client(t, v, member, "us-east-1", alice)
			s.set(func(action string) string { return map[bool]string{true: code}[action == name] })
			if err := call(t.Context(), refused); err == nil {
				t.Errorf("%s, %s: no error", name, code)
			}
			s.set(nil)
			if err := call(t.Context(), client(t, v, member, "us-east-1", alice)); err != nil {
				t.Errorf("%s after %s: %v", name, code, err)
			}
			client(t, v, "777788889999", "us-east-1", "arn:aws:iam::777788889999:user/bob")
			asked := 0
			for _, c := range s.calls() {
				if strings.HasPrefix(c, "AssumeRole ") {
					asked++
				}
			}
			if asked != 1+assumed { // one session is the other account's
				t.Errorf("%s, %s: asked %q, want %d sessions", name, code, s.calls(), 1+assumed)
			}
		}
	}
}

// here calls the service without a network, so that a synctest bubble's clock
// moves.
type here struct{ *service }

func (h here) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

// A call ends in time for its caller to record the result.
func TestCallsEndBeforeTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{fail: func(action string) string { return map[bool]string{true: "wait"}[action == "CreateVpc"] }}
		c := client(t, vending.New(aws.Config{
			Region: "us-east-1", HTTPClient: here{s}, Credentials: credentials.NewStaticCredentialsProvider("AKIAOWNER", "s", ""),
		}, vending.DefaultRole), member, "us-east-1", alice)
		ends(t, s, c, 13*time.Second, 3*time.Second, 2) // one is AssumeRole
		ends(t, s, c, time.Hour, 20*time.Second, 3)
		ends(t, s, c, 0, 20*time.Second, 4)
		ends(t, s, c, 9*time.Second, 0, 4) // no time is left to record it
	})
}

// ends checks the time of a call that EC2 does not answer. has is the time that
// its caller has; 0: no limit.
func ends(t *testing.T, s *service, c *ec2.Client, has, takes time.Duration, asked int) {
	t.Helper()
	ctx := t.Context()
	if has > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, has)
		defer cancel()
	}
	begin := time.Now()
	err := calls["CreateVpc"](ctx, c)
	if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != takes {
		t.Errorf("of %v: %v after %v, want %v", has, err, took, takes)
	}
	if len(s.calls()) != asked {
		t.Errorf("of %v: asked %q", has, s.calls())
	}
}

func TestSession(t *testing.T) {
	form := regexp.MustCompile(`^[\w+=,.@-]{2,64}$`) // STS API Reference, AssumeRole: RoleSessionName and SourceIdentity
	const account = "arn:aws:iam::444455556666:"
	seen := map[string]string{}
	for principal, want := range map[string]string{
		alice: "assumed-role,deployment,alice",
		"arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Admin_0123/a@b.example":                                     "assumed-role,AWSReservedSSO_Admin_0123,a@b.example",
		"arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/a.long.name@b.example": "assumed-role,9a6c030a614f975b=456789abcdef,a.long.name@b.example",
		"arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_AdministratorAccess_1123456789abcdef/a.long.name@b.example": "",
		account + "user/teams/network/bob":   "user,teams,network,bob",
		account + "user/teams.network.bob":   "user,teams.network.bob",
		account + "user/teams,network/bob":   "user,teams=2Cnetwork,bob",
		account + "user/teams=2Cnetwork/bob": "user,teams=3D2Cnetwork,bob",
		account + "root":                     "root",
		account + "user/root":                "user,root",
		// The path of a user may have colons and more (IAM API Reference, "CreateUser").
		account + "user/:x/alice":                          "user,=3Ax,alice",
		account + "user/x/alice":                           "user,x,alice",
		account + "user/:assumed-role/deployment/alice":    "user,=3Aassumed-role,deployment,alice",
		"arn:aws:sts::444455556666:federated-user/c d é":   "federated-user,c=20d=20=C3=A9",
		account + "user/x":                                 "user,x",
		account + "user/" + strings.Repeat("!", 99) + "/x": "",
		account + "user/" + strings.Repeat("!", 98) + "/x": "",
		account + strings.Repeat("k", 70):                  "",
		account + "role/" + strings.Repeat("r", 59):        "role," + strings.Repeat("r", 59),
		account + "role/" + strings.Repeat("r", 60):        "",
		"":  "",
		"x": "",
	} {
		got := vending.Session(principal)
		if want != "" && got != want || !form.MatchString(got) {
			t.Errorf("%s: %q, want %q", principal, got, want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s are both %q", principal, other, got)
		}
		seen[got] = principal
	}
}
