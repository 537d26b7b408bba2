package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

const (
	// maxAnswer is the largest answer in bytes (CloudFormation User Guide, "Custom
	// resource response objects").
	maxAnswer = 4096
	// sendTries is how often the function tries to send an answer before Lambda invokes
	// it again. sendTime is the limit of one try.
	sendTries = 4
	sendTime  = 5 * time.Second
)

// EnvResponseURL allows answers to another address than CloudFormation's: to the scheme
// and host of a URL, such as http://localhost:4566 of an emulator.
const EnvResponseURL = "CADASTRE_RESPONSE_URL"

// bucketEndpoint is the end of a host name that follows the name of a bucket of S3.
var bucketEndpoint = regexp.MustCompile(`^\.s3([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?$`)

// checkAddress refuses the address of an answer unless it is in the bucket to which
// CloudFormation's custom resources of the stack's Region answer (CloudFormation User
// Guide, "Setting up VPC endpoints": cloudformation-custom-resource-response-REGION, with
// the Region's name without hyphens), or at the address that EnvResponseURL allows. The
// function may be in a VPC, and anyone who may invoke it writes the address.
func (h *Handler) checkAddress(e *cfn.Event) error {
	u, err := url.Parse(e.ResponseURL)
	if err != nil {
		return errors.New("the request's ResponseURL is no URL")
	}
	if allowed := h.o.ResponseURL; allowed != "" {
		if a, err := url.Parse(allowed); err == nil && u.Scheme == a.Scheme && u.Host == a.Host && u.User == nil {
			return nil
		}
	}
	region := ""
	if parts := strings.Split(e.StackID, ":"); len(parts) > 3 {
		region = parts[3]
	}
	endpoint, ok := strings.CutPrefix(u.Host, "cloudformation-custom-resource-response-"+strings.ReplaceAll(region, "-", ""))
	if u.Scheme != "https" || u.User != nil || !ipam.IsRegion(region) || !ok || !bucketEndpoint.MatchString(endpoint) {
		return fmt.Errorf("the request's ResponseURL is not CloudFormation's: it is at %s", schema.Excerpt(u.Host))
	}
	return nil
}

// send puts the answer to the address of the request. The address is a secret, as
// anyone who knows it can answer. So no error contains it.
func (h *Handler) send(ctx context.Context, address string, answer *cfn.Response) error {
	body, err := encode(answer)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	for n := 1; ; n++ {
		if err = h.put(ctx, address, body); err == nil {
			return nil
		}
		if n == sendTries || h.o.Sleep(ctx, backoff.Delay(n, firstWait, longWait)) != nil {
			return fmt.Errorf("send the answer: %w", err)
		}
	}
}

func (h *Handler) put(ctx context.Context, address string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	// No Content-Type: the address is signed for a request without one.
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return withoutAddress(err)
	}
	answer, err := h.o.Client.Do(q)
	if err != nil {
		return withoutAddress(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // so that the client reuses the connection
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the address answered %s", answer.Status)
	}
	return nil
}

func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// encode returns the answer as JSON. It cuts off the end of a reason that makes the
// answer too long.
func encode(answer *cfn.Response) ([]byte, error) {
	for {
		body, err := json.Marshal(answer)
		if err != nil || len(body) <= maxAnswer || answer.Reason == "" {
			return body, err
		}
		// A byte of the reason takes at most 6 in JSON, so this cuts too little
		// rather than too much.
		cut := max(1, (len(body)-maxAnswer)/6) + len("…")
		keep := max(0, len(answer.Reason)-cut)
		for keep > 0 && !utf8.RuneStart(answer.Reason[keep]) {
			keep--
		}
		if answer.Reason = answer.Reason[:keep]; keep > 0 {
			answer.Reason += "…"
		}
	}
}
