package ec2query_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/ec2query"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
	"github.com/cadastre-ipam/cadastre/shared/wire/wiretest"
)

// sdk returns an SDK client whose requests' bodies go to answer.
func sdk(t *testing.T, answer func(body string) (status int, xml []byte)) *ec2.Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		status, xml := answer(string(b))
		w.Header().Set("Content-Type", ec2query.ContentType)
		w.WriteHeader(status)
		w.Write(xml)
	}))
	t.Cleanup(server.Close)
	return ec2.New(ec2.Options{
		BaseEndpoint: aws.String(server.URL), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

// members compares two inputs or outputs by all their members.
var members = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".ResultMetadata" }, cmp.Ignore()),
}

// The SDK's module has a request of each operation with all members set. Each must
// decode, and the SDK's client must make the same request of the decoded input.
// This finds a member that is lost or exchanged for another.
func TestRequestSnapshots(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/ec2").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range client.Operations() {
		t.Run(o.Name, func(t *testing.T) {
			snapshot, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "request_snapshot", o.Name+".request.snap"))
			if err != nil {
				t.Fatal(err)
			}
			_, body, ok := strings.Cut(string(snapshot), "application/x-www-form-urlencoded\n\n")
			if !ok {
				t.Fatalf("no form in the snapshot:\n%s", snapshot)
			}
			want := parse(t, strings.TrimSpace(body))
			in := o.NewInput()
			if action, err := ec2query.Action(want); action != o.Name || err != nil {
				t.Fatalf("Action: got %q, %v", action, err)
			}
			if err := ec2query.Decode(want, o.Name, in); err != nil {
				t.Fatal(err)
			}
			var got url.Values
			c := sdk(t, func(body string) (int, []byte) {
				got = parse(t, body)
				return 412, ec2query.EncodeError("r", ipam.Errorf(ipam.CodeDryRunOperation, "x"))
			})
			o.Call(t.Context(), c, in) // fails on purpose: the test looks at the request
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("the decoded input gives another request (-got +want):\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, form string) url.Values {
	t.Helper()
	v, err := ec2query.ParseForm(form)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every operation passes through the SDK's client and back with every member set:
// the decoder returns the input that the test sends, and the client the output.
func TestRoundTripThroughTheSDK(t *testing.T) {
	for _, o := range client.Operations() {
		t.Run(o.Name, func(t *testing.T) {
			shape, _ := schema.Lookup(o.Name)
			in, out, arrived := o.NewInput(), o.NewOutput(), o.NewInput()
			wiretest.Fill(in, schema.At(shape.Input))
			if shape.Output >= 0 {
				wiretest.Fill(out, schema.At(shape.Output))
			}
			c := sdk(t, func(body string) (int, []byte) {
				if err := ec2query.Decode(parse(t, body), o.Name, arrived); err != nil {
					t.Error(err)
				}
				b, err := ec2query.Encode(o.Name, "r-1", out)
				if err != nil {
					t.Error(err)
				}
				return 200, b
			})
			got, err := o.Call(t.Context(), c, in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(arrived, in, members); diff != "" {
				t.Errorf("the input (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(got, out, members); diff != "" {
				t.Errorf("the output (-got +want):\n%s", diff)
			}
			if err := wiretest.Check(o.Name, arrived); err != nil {
				t.Errorf("a complete input is refused: %v", err)
			}
		})
	}
}

// In an output without members, clients see the output's own lists, empty, as with
// EC2.
func TestEmptyOutputs(t *testing.T) {
	for _, o := range client.Operations() {
		b, err := ec2query.Encode(o.Name, "r-1", o.NewOutput())
		if err != nil {
			t.Fatal(err)
		}
		in := o.NewInput()
		shape, _ := schema.Lookup(o.Name)
		wiretest.Fill(in, schema.At(shape.Input))
		got, err := o.Call(t.Context(), sdk(t, func(string) (int, []byte) { return 200, b }), in)
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		// The lists of the output itself are there, and empty. No other member is.
		v := reflect.ValueOf(got).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i); {
			case f.Kind() == reflect.Slice:
				if f.IsNil() || f.Len() != 0 {
					t.Errorf("%s: %s is %v, want an empty list", o.Name, v.Type().Field(i).Name, f)
				}
			case v.Type().Field(i).Name == "ResultMetadata":
			case !f.IsZero():
				t.Errorf("%s: %s is %v, want nothing", o.Name, v.Type().Field(i).Name, f)
			}
		}
	}
}

func TestErrorsThroughTheSDK(t *testing.T) {
	for code, row := range ipam.Codes {
		want := &ipam.Error{Code: code, Message: `a <b> & "c" 'd'` + "\r\n\x00é"}
		c := sdk(t, func(string) (int, []byte) { return row.Status, ec2query.EncodeError("r-1", want) })
		_, err := c.DescribeIpams(t.Context(), &ec2.DescribeIpamsInput{})
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || api.ErrorCode() != string(code) || api.ErrorMessage() != strings.ReplaceAll(want.Message, "\x00", "\uFFFD") {
			t.Errorf("%s: the SDK saw %v", code, err)
		}
		if !strings.Contains(err.Error(), "r-1") {
			t.Errorf("%s: the request id is lost: %v", code, err)
		}
	}
}
