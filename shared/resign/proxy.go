package resign

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/loopback"
	"github.com/cadastre-ipam/cadastre/shared/sigv4"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Config is the configuration of a proxy.
type Config struct {
	Endpoint    string                  // Cadastre's URL, with the stage
	Region      string                  // the API's own; default: the Region in the endpoint's host name
	EC2Endpoint string                  // URL of EC2 for all Regions; default: AWS's, of the Region of the call
	FIPS        bool                    // call AWS's FIPS endpoints of EC2
	DualStack   bool                    // call AWS's endpoints of EC2 for IPv4 and IPv6
	Credentials aws.CredentialsProvider // should cache: the proxy asks it for each call
	AnyKey      bool                    // verify no signatures: every caller uses the credentials; see the package's comment
	Logger      *slog.Logger            // slog.Default() if nil
	Now         func() time.Time        // time.Now if nil; signatures must be within [sigv4.Skew] of it
}

// timeout is the longest duration of a call, including its answer's body. API
// Gateway stops waiting after 29 s; EC2's long lists take longer.
const timeout = 2 * time.Minute

// Proxy is the [http.Handler] of the proxy. It is safe for concurrent use.
type Proxy struct {
	config    Config
	lender    lender
	signer    *v4.Signer
	resolver  ec2.EndpointResolverV2
	transport http.RoundTripper
	reports   *reporter
}

// New returns a proxy, or an error for a configuration that cannot work.
func New(c Config) (*Proxy, error) {
	for _, endpoint := range []string{c.Endpoint, c.EC2Endpoint} {
		u, err := url.Parse(endpoint)
		if err != nil || endpoint != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.User != nil) {
			return nil, fmt.Errorf("%q is no URL of an endpoint, such as https://ID.execute-api.us-east-1.amazonaws.com/prod", endpoint)
		}
	}
	if c.Endpoint == "" {
		return nil, errors.New("the endpoint of Cadastre is not given")
	}
	if c.Region == "" {
		c.Region = client.APIRegion(c.Endpoint)
	}
	if !ipam.IsRegion(c.Region) {
		return nil, fmt.Errorf("give the API's Region with --region: the endpoint %s does not name it, and %q is no Region", c.Endpoint, c.Region)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	// Answers pass unchanged, so the transport must not decompress them.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	transport.MaxIdleConnsPerHost = 32 // Terraform calls ten at a time
	p := &Proxy{
		config:    c,
		lender:    lender{provider: c.Credentials, anyKey: c.AnyKey, logger: c.Logger},
		signer:    v4.NewSigner(),
		resolver:  ec2.NewDefaultEndpointResolverV2(),
		transport: transport,
	}
	p.reports = newReporter(p.report, c.Logger)
	return p, nil
}

// Close waits until all deletions are reported to Cadastre. When ctx ends, it gives up
// those that are left. Call it once, behind the last call of ServeHTTP.
func (p *Proxy) Close(ctx context.Context) { p.reports.close(ctx) }

// call is a request as far as the proxy has read it.
type call struct {
	action    string
	form      url.Values
	region    string // the caller's
	target    Target
	mayRepeat bool // see [client.MayRepeat]
}

// ServeHTTP sends a call to its target and passes the answer back unchanged. Its own
// refusals have the form of EC2's. It reports the deletion of a VPC, a subnet or the CIDR of
// one to Cadastre, after EC2 has answered, in the background.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	var c call
	var status int
	var failure error
	defer func() { p.log(ctx, c, status, failure, time.Since(began)) }()

	answer, err := p.send(ctx, &c, w, r)
	if err != nil {
		failure = err
		status = refuse(w, err)
		return
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	status = answer.StatusCode
	for _, name := range hopByHop(answer.Header) {
		answer.Header.Del(name)
	}
	maps.Copy(w.Header(), answer.Header)
	body, ended := p.watch(&c, answer)
	defer ended()
	w.WriteHeader(status)
	if _, failure = io.Copy(w, body); failure != nil {
		panic(http.ErrAbortHandler) // the client must not take half an answer for the whole
	}
}

// send signs a request anew, sends it and returns the target's answer. Errors for the
// caller are *[ipam.Error].
func (p *Proxy) send(ctx context.Context, c *call, w http.ResponseWriter, r *http.Request) (*http.Response, error) {
	if err := guard(r); err != nil {
		return nil, err
	}
	signature, err := readSignature(r.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	c.region = signature.Region
	own, caller, err := p.lender.lend(ctx, signature.AccessKeyID)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ec2query.MaxBody))
	if err != nil {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The request's body cannot be read. It may have %d bytes at most.", ec2query.MaxBody)
	}
	query, err := ec2query.ParseForm(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	form, err := ec2query.ParseRequest(string(body), query)
	if err != nil {
		return nil, err
	}
	if !p.config.AnyKey {
		if err := signature.Verify(ctx, r, body, caller, p.config.Now()); err != nil {
			return nil, unverified(err)
		}
	}
	c.action, c.form = form.Get("Action"), form
	c.mayRepeat = client.MayRepeat(c.action, form.Get("ClientToken"))
	if c.target, err = Route(form); err != nil {
		return nil, err
	}
	out, err := p.request(ctx, c, r, string(body))
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(body)
	service, signingRegion := "ec2", c.region
	if c.target == Cadastre {
		service, signingRegion = wire.SigningName, p.config.Region
	}
	if err := p.signer.SignHTTP(ctx, own, out, hex.EncodeToString(hash[:]), service, signingRegion, p.config.Now()); err != nil {
		return nil, fmt.Errorf("sign for %s: %w", service, err)
	}
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", c.unanswered(out.URL.Host, err), err)
	}
	if c.target == Cadastre {
		if err := c.check(answer); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// unanswered returns the error for a call without an answer. SDKs repeat a call by
// themselves after Unavailable, and not after OutcomeUnknown. For EC2's calls the
// proxy changes nothing in this: an SDK repeats them after a lost connection.
func (c *call) unanswered(host string, err error) *ipam.Error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return ipam.Errorf(ipam.CodeUnavailable, "The proxy cannot reach %s at %s; its log has the reason. The call was not carried out.", c.target, host)
	}
	if c.target == Cadastre && !c.mayRepeat {
		return ipam.Errorf(ipam.CodeOutcomeUnknown, "The proxy got no answer from %s at %s; its log has the reason. "+lookFirst, c.target, host)
	}
	return ipam.Errorf(ipam.CodeUnavailable, "The proxy got no answer from %s at %s; its log has the reason. The call may have been carried out: retry it with the same ClientToken.", c.target, host)
}

// passed lists the headers of a request that go to the target. The others belong to
// the connection, to the caller's signature, or to no EC2 call.
var passed = []string{"Accept", "Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Content-Type", "User-Agent", "X-Amzn-Trace-Id"}

// request returns the request to sign and send.
func (p *Proxy) request(ctx context.Context, c *call, r *http.Request, body string) (*http.Request, error) {
	endpoint := p.config.Endpoint
	if c.target == EC2 {
		endpoint = p.config.EC2Endpoint
		if endpoint == "" {
			e, err := p.resolver.ResolveEndpoint(ctx, ec2.EndpointParameters{Region: &c.region, UseFIPS: &p.config.FIPS, UseDualStack: &p.config.DualStack})
			if err != nil {
				return nil, fmt.Errorf("resolve EC2's endpoint in %s: %w", c.region, err)
			}
			endpoint = e.URI.String()
		}
	}
	out, err := http.NewRequestWithContext(ctx, r.Method, endpoint, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if out.URL.Path == "" {
		out.URL.Path = "/"
	}
	out.URL.RawQuery = r.URL.RawQuery
	for _, name := range passed {
		if values := r.Header[name]; len(values) > 0 {
			out.Header[name] = values
		}
	}
	if out.Header["User-Agent"] == nil {
		out.Header["User-Agent"] = []string{""} // without it net/http sends its own
	}
	if c.target == Cadastre {
		out.Header.Set(wire.RegionHeader, c.region)
	}
	return out, nil
}

// guard refuses requests that a browser may send and a tool does not.
func guard(r *http.Request) error {
	if _, ok := r.Header["Origin"]; ok {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The proxy refuses requests from web pages.")
	}
	if !loopback.IsHost(r.Host) {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The request is for the host %s. Address the proxy by its loopback address.", schema.Excerpt(r.Host))
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet || r.URL.Path != "/" {
		return ipam.Errorf(ipam.CodeInvalidAction, "There is no %s %s. The proxy takes EC2 Query requests: POST / and GET /.", schema.Excerpt(r.Method), schema.Excerpt(r.URL.Path))
	}
	return nil
}

// readSignature reads an Authorization header and refuses signatures that are not
// for ec2 in a Region. It verifies nothing.
func readSignature(authorization string) (sigv4.Signature, error) {
	s, err := sigv4.Parse(authorization)
	if err != nil {
		return s, ipam.Errorf(ipam.CodeAuthFailure, "The request has no Authorization header of AWS Signature Version 4. Sign it as for EC2; the proxy reads no signatures in query strings.")
	}
	if s.Service != "ec2" {
		return s, ipam.Errorf(ipam.CodeAuthFailure, "The request is signed for the service %s, and the proxy takes requests for ec2 only. Set AWS_ENDPOINT_URL_EC2 to its address, and not AWS_ENDPOINT_URL.", schema.Excerpt(s.Service))
	}
	if !ipam.IsRegion(s.Region) {
		return s, ipam.Errorf(ipam.CodeAuthFailure, "The request is signed for %s, which is no Region such as us-east-1.", schema.Excerpt(s.Region))
	}
	return s, nil
}

// unverified returns the error for a signature that does not hold.
func unverified(err error) error {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return ipam.Errorf(ipam.CodeAuthFailure, "%s (%s) The tool must have the same credentials as the proxy, secret key and session token included, and a correct clock.", strings.TrimSpace(e.Message), e.Type)
	}
	return err
}

// hopByHop returns the names of the headers that belong to one connection (RFC 9110,
// section 7.6.1).
func hopByHop(h http.Header) []string {
	names := []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Trailer", "Transfer-Encoding", "Upgrade"}
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// refuse writes an error of the proxy's own and returns its status.
func refuse(w http.ResponseWriter, err error) (status int) {
	e := ipam.Public(err)
	id := requestID()
	w.Header().Set("Content-Type", ec2query.ContentType)
	w.Header().Set("X-Amzn-Requestid", id)
	status = ipam.Codes[e.Code].Status
	w.WriteHeader(status)
	w.Write(ec2query.EncodeError(id, e))
	return status
}

func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// log writes the record of a call.
func (p *Proxy) log(ctx context.Context, c call, status int, err error, took time.Duration) {
	attributes := []slog.Attr{
		slog.String("action", schema.Excerpt(c.action)),
		slog.String("target", c.target.String()),
		slog.String("region", c.region),
		slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	p.config.Logger.LogAttrs(ctx, level, "call", attributes...)
}
