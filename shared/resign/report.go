package resign

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire"
)

// deletes has the calls of EC2 that delete a VPC or a subnet, with the parameter that
// names it (EC2 API Reference).
var deletes = map[string]string{"DeleteVpc": "VpcId", "DeleteSubnet": "SubnetId"}

// disassociates has the calls of EC2 that end the association of a CIDR with a VPC or a
// subnet. Only their answers name both.
var disassociates = map[string]bool{"DisassociateVpcCidrBlock": true, "DisassociateSubnetCidrBlock": true}

// deletion is a VPC or subnet that EC2 has deleted, or the CIDR of one that it has
// disassociated, in the form of the parameters of ReportIpamResourceDeletion.
type deletion struct{ region, resource, cidr, association string }

// form returns the call that reports the deletion to Cadastre.
func (d deletion) form() url.Values {
	form := url.Values{"Action": {"ReportIpamResourceDeletion"}, "Version": {wire.APIVersion}, "ResourceId": {d.resource}, "ResourceRegion": {d.region}}
	for name, value := range map[string]string{"ResourceCidr": d.cidr, "AssociationId": d.association} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return form
}

// disassociated reads EC2's answer to one of the calls of disassociates.
func disassociated(region string, body []byte) (deletion, error) {
	var a struct {
		VPC    string `xml:"vpcId"`
		Subnet string `xml:"subnetId"`
		IPv4   struct {
			ID   string `xml:"associationId"`
			CIDR string `xml:"cidrBlock"`
		} `xml:"cidrBlockAssociation"`
		IPv6 struct {
			ID   string `xml:"associationId"`
			CIDR string `xml:"ipv6CidrBlock"`
		} `xml:"ipv6CidrBlockAssociation"`
	}
	if err := xml.Unmarshal(body, &a); err != nil {
		return deletion{}, err
	}
	d := deletion{region, a.VPC + a.Subnet, a.IPv4.CIDR + a.IPv6.CIDR, a.IPv4.ID + a.IPv6.ID} // an answer has one of each
	if d.resource == "" || d.cidr == "" {
		return d, errors.New("it names no resource or no CIDR")
	}
	return d, nil
}

// watch reports to Cadastre the deletion that EC2 has carried out with a call, if it has.
// It returns the body of EC2's answer for the caller, and a function to call behind the
// end of the body. Neither waits for Cadastre.
func (p *Proxy) watch(c *call, answer *http.Response) (body io.Reader, ended func()) {
	body, ended = answer.Body, func() {}
	if c.target != EC2 || answer.StatusCode/100 != 2 {
		return body, ended
	}
	if parameter, ok := deletes[c.action]; ok {
		p.reports.add(deletion{region: c.region, resource: c.form.Get(parameter)})
	}
	if !disassociates[c.action] {
		return body, ended
	}
	kept := &beginning{}
	return io.TeeReader(answer.Body, kept), func() {
		text, err := kept.text(answer.Header.Get("Content-Encoding"))
		var d deletion
		if err == nil {
			d, err = disassociated(c.region, text)
		}
		if err != nil {
			p.config.Logger.Warn("a disassociation is not reported: EC2's answer cannot be read; discovery will see it", "action", c.action, "region", c.region, "error", err.Error())
			return
		}
		p.reports.add(d)
	}
}

// beginning keeps the first maxError bytes that are written to it.
type beginning struct{ bytes.Buffer }

// Write never fails.
func (b *beginning) Write(some []byte) (int, error) {
	b.Buffer.Write(some[:min(len(some), maxError-b.Len())])
	return len(some), nil
}

// text returns the written bytes, decoded.
func (b *beginning) text(encoding string) ([]byte, error) {
	if encoding != "gzip" {
		return b.Bytes(), nil
	}
	r, err := gzip.NewReader(b)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxError))
}

const (
	// maxReporting is the number of reports that are sent at once. Each may take a process
	// of Cadastre's API for some seconds.
	maxReporting = 4
	// maxReports is the number of reports that may wait.
	maxReports = 1000
	// reportTimeout is the time of one try, a little longer than API Gateway waits.
	reportTimeout = 35 * time.Second
)

// reportWaits are the waits before a report is sent again. EC2 may show a resource for some
// seconds after its deletion.
var reportWaits = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second}

// reporter sends reports in the background. It is safe for concurrent use.
type reporter struct {
	send   func(ctx context.Context, d deletion) error
	sleep  func(ctx context.Context, d time.Duration) error
	logger *slog.Logger

	ctx     context.Context // of all reports
	cancel  context.CancelFunc
	sending chan struct{} // has an element for each report that is being sent

	mu      sync.Mutex
	waiting int // reports that are not finished
	all     sync.WaitGroup
}

func newReporter(send func(context.Context, deletion) error, logger *slog.Logger) *reporter {
	r := &reporter{send: send, sleep: backoff.Sleep, logger: logger, sending: make(chan struct{}, maxReporting)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// add sends a report. It does not wait.
func (r *reporter) add(d deletion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting >= maxReports {
		r.failed(d, fmt.Errorf("%d others wait", maxReports))
		return
	}
	r.waiting++
	r.all.Go(func() {
		r.sending <- struct{}{}
		defer func() {
			<-r.sending
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waiting--
		}()
		r.report(d)
	})
}

// report sends a report until Cadastre has accepted or refused it.
func (r *reporter) report(d deletion) {
	for try := 0; ; try++ {
		err := r.send(r.ctx, d)
		if err == nil {
			r.logger.Info("deletion reported", "resource", d.resource, "region", d.region, "cidr", d.cidr)
			return
		}
		if _, final := errors.AsType[*finalError](err); final || try == len(reportWaits) {
			r.failed(d, err)
			return
		}
		if err := r.sleep(r.ctx, reportWaits[try]); err != nil {
			r.failed(d, err)
			return
		}
	}
}

func (r *reporter) failed(d deletion, err error) {
	r.logger.Warn("deletion not reported; its space is free when discovery sees it", "resource", d.resource, "region", d.region, "cidr", d.cidr, "error", err.Error())
}

// close waits for all reports. When ctx ends, it ends those that are left.
func (r *reporter) close(ctx context.Context) {
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	r.all.Wait()
}

// finalError is Cadastre's refusal of a report for which another try is useless.
type finalError struct{ error }

// repeated has the codes with which Cadastre asks for another report.
var repeated = map[ipam.Code]bool{ipam.CodeIncorrectState: true, ipam.CodeOutcomeUnknown: true}

// report sends one report to Cadastre and returns its refusal.
func (p *Proxy) report(ctx context.Context, d deletion) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	own, err := p.config.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("retrieve credentials: %w", err)
	}
	body := d.form().Encode()
	c := call{action: "ReportIpamResourceDeletion", region: d.region, target: Cadastre}
	in := &http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}}
	out, err := p.request(ctx, &c, in, body)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(body))
	if err := p.signer.SignHTTP(ctx, own, out, hex.EncodeToString(hash[:]), wire.SigningName, p.config.Region, p.config.Now()); err != nil {
		return err
	}
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxError))
	if answer.StatusCode/100 == 2 {
		return err
	}
	var refusal struct {
		Code    ipam.Code `xml:"Errors>Error>Code"`
		Message string    `xml:"Errors>Error>Message"`
	}
	_ = xml.Unmarshal(text, &refusal) // a body that is no XML adds nothing to the error
	err = errors.New(strings.TrimSpace(fmt.Sprintf("Cadastre answered %d %s: %s", answer.StatusCode, refusal.Code, refusal.Message)))
	if answer.StatusCode < 500 && answer.StatusCode != http.StatusTooManyRequests && !repeated[refusal.Code] {
		return &finalError{err}
	}
	return err
}
