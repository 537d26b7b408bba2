package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/ops/opstest"
)

// Stacks of the templates that an export writes make an IPAM with the same content, apart
// from that which the export lists as omitted.
func TestExportedTemplates(t *testing.T) {
	source := opstest.New(t)
	document, err := migration.ReadJSON(strings.NewReader(`{"format": "cadastre-ipam-1",
		"ipam": {"description": "main", "tags": {"Name": "main"}, "operatingRegions": ["eu-west-1", "us-east-1"], "enablePrivateGua": true, "meteredAccount": "resource-owner",
			"excludedUnits": ["o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"]},
		"scopes": [
			{"name": "private", "pools": [
				{"name": "top", "family": "ipv4", "cidrs": ["10.0.0.0/8", "11.0.0.0/8"], "minNetmaskLength": 8, "maxNetmaskLength": 28},
				{"name": "eu", "source": "top", "family": "ipv4", "locale": "eu-west-1", "autoImport": true, "cidrs": ["10.0.0.0/12"], "defaultNetmaskLength": 24,
				 "resourceTags": {"env": "prod"}, "tags": {"Name": "eu", "env": "prod"},
				 "allocations": [{"cidr": "10.0.0.0/24", "description": "on premises"}, {"cidr": "10.0.1.0/24", "tags": {"cadastre:stable-key": "dc1"}}]},
				{"name": "six", "family": "ipv6", "cidrs": ["2001:db8::/32"]}]},
			{"name": "public", "pools": [{"name": "pub", "family": "ipv6", "locale": "eu-west-1", "awsService": "ec2", "publiclyAdvertisable": false}]},
			{"name": "lab", "description": "overlaps", "pools": [{"name": "top", "family": "ipv4", "cidrs": ["10.0.0.0/8"], "allocations": [{"cidr": "10.0.0.0/24"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	from := apiOf(source, opstest.Region)
	importer := &migration.Importer{API: from, Read: func(ctx context.Context) (*migration.Deployment, error) { return from.Read(ctx, "", 0, nil) }}
	if result, err := importer.Import(t.Context(), document); err != nil || len(result.Findings) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	d, err := from.Read(t.Context(), "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	templates, omitted, err := d.CloudFormation(migration.CloudFormationOptions{})
	if err != nil || len(templates) != 1 || len(omitted) > 0 {
		t.Fatalf("%d templates without %v, %v", len(templates), omitted, err)
	}
	w := newEnv(t)
	w.play(templates[0])
	read, err := apiOf(opstest.Serve(t, w.store), "us-east-1").Read(t.Context(), "", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, d), asJSON(t, read)); diff != "" {
		t.Errorf("the content differs (-exported +made):\n%s", diff)
	}
}

func apiOf(s *opstest.Server, region string) migration.Cadastre {
	keys := credentials.NewStaticCredentialsProvider(account, "secret", "")
	cfg := aws.Config{Region: region, Credentials: keys}
	return migration.Cadastre{EC2: ec2.NewFromConfig(cfg, client.Options(s.URL, region)), JSON: &client.JSON{Endpoint: s.URL, Region: region, Credentials: keys}}
}

func asJSON(t *testing.T, d *migration.Deployment) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// play makes the resources of a template, each once those that it refers to exist.
func (w *env) play(text []byte) {
	w.Helper()
	var template struct {
		Resources map[string]struct {
			Type, DependsOn string
			Properties      properties
		}
	}
	if err := json.Unmarshal(text, &template); err != nil {
		w.Fatal(err)
	}
	for len(template.Resources) > 0 {
		before := len(template.Resources)
		for id, r := range template.Resources {
			delete(r.Properties, "ServiceToken")
			p, ok := w.resolve(r.Properties)
			if ok && (r.DependsOn == "" || w.standing[r.DependsOn] != nil) {
				w.must(r.Type, id, p.(properties))
				delete(template.Resources, id)
			}
		}
		if len(template.Resources) == before {
			w.Fatalf("%d resources wait for one another", before)
		}
	}
}

// resolve replaces the functions in a value, and returns false if it refers to a resource
// that does not exist yet.
func (w *env) resolve(v any) (any, bool) {
	switch v := v.(type) {
	case properties:
		if id, ok := v["Ref"].(string); ok {
			s := w.standing[id]
			if s == nil {
				return nil, false
			}
			return s.id, true
		}
		if at, ok := v["Fn::GetAtt"].([]any); ok {
			s := w.standing[at[0].(string)]
			if s == nil {
				return nil, false
			}
			return s.attributes[at[1].(string)], true
		}
		out := properties{}
		for k, x := range v {
			y, ok := w.resolve(x)
			if !ok {
				return nil, false
			}
			out[k] = y
		}
		return out, true
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			y, ok := w.resolve(x)
			if !ok {
				return nil, false
			}
			out[i] = y
		}
		return out, true
	}
	return v, true
}
