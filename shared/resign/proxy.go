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
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Config says where a proxy sends calls and how it signs them.
type Config struct {
	Endpoint    string                  // Cadastre's URL, with the stage
	Region      string                  // the API's own; default: the one that the endpoint's host tells
	EC2Endpoint string                  // URL of EC2 for all Regions; default: AWS's, of the Region of the call
	FIPS        bool                    // EC2's endpoints are the FIPS ones of AWS
	DualStack   bool                    // they are those for IPv4 and IPv6
	Credentials aws.CredentialsProvider // asked for each call, so it should cache
	AnyKey      bool                    // lend to callers with other access keys too; see the package's comment
	Logger      *slog.Logger            // slog.Default() if nil
}

// timeout is what a call may take, its answer's body included. API Gateway
// gives up after 29 s; EC2's long lists take more.
const timeout = 2 * time.Minute

// Proxy is the http.Handler. It is safe for concurrent use.
type Proxy struct {
	config    Config
	lender    lender
	signer    *v4.Signer
	resolver  ec2.EndpointResolverV2
	transport http.RoundTripper
}

// New returns a proxy, or an error that tells what is wrong with the
// configuration.
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
		return nil, fmt.Errorf("give the API's Region with -region: the endpoint %s does not tell it, and %q is none", c.Endpoint, c.Region)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	// What comes back must pass as it is, compressed if it was.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	transport.MaxIdleConnsPerHost = 32 // Terraform calls ten at a time
	return &Proxy{
		config:    c,
		lender:    lender{provider: c.Credentials, anyKey: c.AnyKey, logger: c.Logger},
		signer:    v4.NewSigner(),
		resolver:  ec2.NewDefaultEndpointResolverV2(),
		transport: transport,
	}, nil
}

// Listen opens a TCP port on loopback, and refuses any other address.
func Listen(address string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("listen on %s: this is no loopback address, and whoever can reach the proxy calls AWS with its credentials. Use one such as 127.0.0.1:8181", address)
	}
	return net.ListenTCP("tcp", a)
}

// call is what the log tells of a request.
type call struct {
	action string
	region string // the caller's
	target Target
}

// ServeHTTP sends a call on and passes the answer back as it is. What it
// refuses by itself it answers as EC2 does.
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
	w.WriteHeader(status)
	if _, failure = io.Copy(w, answer.Body); failure != nil {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
}

// send makes a call of a request and returns the target's answer. Errors that
// the caller may see are *ipam.Error.
func (p *Proxy) send(ctx context.Context, c *call, w http.ResponseWriter, r *http.Request) (*http.Response, error) {
	if err := guard(r); err != nil {
		return nil, err
	}
	key, region, err := scope(r.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	c.region = region
	credentials, err := p.lender.lend(ctx, key)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ec2query.MaxBody))
	if err != nil {
		return nil, ipam.Errorf(ipam.CodeMalformedRequest, "The request's body cannot be read; at most %d bytes are.", ec2query.MaxBody)
	}
	query, err := ec2query.ParseForm(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	form, err := ec2query.ParseRequest(string(body), query)
	if err != nil {
		return nil, err
	}
	c.action = form.Get("Action")
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
	if err := p.signer.SignHTTP(ctx, credentials, out, hex.EncodeToString(hash[:]), service, signingRegion, time.Now()); err != nil {
		return nil, fmt.Errorf("sign for %s: %w", service, err)
	}
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", unanswered(c, form, out.URL.Host, err), err)
	}
	if c.target == Cadastre {
		if err := gatewayRefusal(answer, once(c, form)); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// unanswered returns what the caller is told when a call is not answered. The SDKs
// retry what is Unavailable by themselves.
func unanswered(c *call, form url.Values, host string, err error) *ipam.Error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return ipam.Errorf(ipam.CodeUnavailable, "The proxy cannot reach %s at %s; its log tells why. Nothing was carried out.", c.target, host)
	}
	if once(c, form) {
		return ipam.Errorf(ipam.CodeOutcomeUnknown, "The proxy got no answer from %s at %s; its log tells why. "+lookFirst, c.target, host)
	}
	return ipam.Errorf(ipam.CodeUnavailable, "The proxy got no answer from %s at %s; its log tells why. Whether the request was carried out is unknown: retry it with the same ClientToken.", c.target, host)
}

// once tells whether a call makes something each time it comes: a VPC, a CIDR of
// one or a subnet out of a pool. All other calls of Cadastre have a client token, or
// change nothing the second time.
func once(c *call, form url.Values) bool {
	return c.target == Cadastre && !strings.Contains(c.action, "Ipam") && namesPool(form)
}

// passed are the headers of a request that go to the target. The others belong
// to the connection, to the signature that is replaced, or to no EC2 call.
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
		out.Header["User-Agent"] = []string{""} // else net/http sends its own
	}
	if c.target == Cadastre {
		out.Header.Set(wire.RegionHeader, c.region)
	}
	return out, nil
}

// guard refuses what no tool sends, and a browser might.
func guard(r *http.Request) error {
	if _, ok := r.Header["Origin"]; ok {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The proxy takes no requests of web pages.")
	}
	if !loopback(r.Host) {
		return ipam.Errorf(ipam.CodeUnauthorizedOperation, "The request is for the host %s. Address the proxy by its loopback address.", schema.Excerpt(r.Host))
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet || r.URL.Path != "/" {
		return ipam.Errorf(ipam.CodeInvalidAction, "There is no %s %s. The proxy takes EC2 Query requests: POST / and GET /.", schema.Excerpt(r.Method), schema.Excerpt(r.URL.Path))
	}
	return nil
}

// loopback tells whether a Host header names this machine's loopback, with or
// without a port.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

// scope returns the access key and the Region that an Authorization header of
// Signature Version 4 names.
func scope(authorization string) (key, region string, err error) {
	list, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 ")
	_, list, named := strings.Cut(list, "Credential=")
	list, _, _ = strings.Cut(list, ",")
	// key/date/Region/service/aws4_request
	parts := strings.Split(strings.TrimSpace(list), "/")
	if !ok || !named || len(parts) != 5 || parts[0] == "" {
		return "", "", ipam.Errorf(ipam.CodeAuthFailure, "The request has no Authorization header of AWS Signature Version 4. Sign it as for EC2; a signature in the query string is not taken.")
	}
	if parts[3] != "ec2" {
		return "", "", ipam.Errorf(ipam.CodeAuthFailure, "The request is signed for the service %s, and the proxy takes those for ec2 only. Set AWS_ENDPOINT_URL_EC2 to its address, and not AWS_ENDPOINT_URL.", schema.Excerpt(parts[3]))
	}
	if !ipam.IsRegion(parts[2]) {
		return "", "", ipam.Errorf(ipam.CodeAuthFailure, "The request is signed for %s, which is no Region such as us-east-1.", schema.Excerpt(parts[2]))
	}
	return parts[0], parts[2], nil
}

// hopByHop returns the names of the headers that are for one connection only
// (RFC 9110, section 7.6.1).
func hopByHop(h http.Header) []string {
	names := []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Trailer", "Transfer-Encoding", "Upgrade"}
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// refuse answers with an error of the proxy's own and returns its status.
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

// log writes the one record of a call.
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
