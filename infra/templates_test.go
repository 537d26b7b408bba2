//go:build !race

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oasdiff/yaml3"

	"github.com/cadastre-ipam/cadastre/infra/stacks"
)

// written returns a template that is written by hand, with simplified values. The
// end-to-end suite deploys each of these templates.
func written(t *testing.T, path string) (doc struct {
	Parameters map[string]struct {
		Type    string
		Default any
	}
	Conditions map[string]any // lists that begin with the function's tag
	template
}) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var plain func(n *yaml.Node)
	plain = func(n *yaml.Node) {
		for _, c := range n.Content {
			plain(c)
		}
		switch n.Tag {
		case "!Ref", "!GetAtt", "!Condition":
			n.Value = "${" + n.Value + "}"
		case "!Sub":
		case "!And", "!Equals", "!If", "!Not", "!Or":
			n.Content = append([]*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Tag}}, n.Content...)
			return
		default:
			return
		}
		n.Tag = "!!str"
	}
	plain(&root)
	var raw object
	if err := root.Decode(&raw); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if b, err = json.Marshal(raw); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return doc
}

// The forwarder may call the API's path for EC2 requests, read the stacks of its account and
// Region, and write its logs. It has no other permission.
func TestForwarder(t *testing.T) {
	f := written(t, "templates/forwarder.yaml")
	diff(t, []string{"AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Logs::LogGroup"}, kinds(f.template))
	role, function := f.Resources["Role"].Properties, f.Resources["Function"].Properties
	diff(t, any(list{object{"PolicyName": "Forward", "PolicyDocument": object{"Version": "2012-10-17", "Statement": list{
		object{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "${ApiArn}/POST/"},
		object{"Effect": "Allow", "Action": list{"cloudformation:DescribeStackResource", "cloudformation:DescribeStacks"}, "Resource": "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/*"},
		object{"Effect": "Allow", "Action": list{"logs:CreateLogStream", "logs:PutLogEvents"}, "Resource": "${Logs.Arn}"},
	}}}}), role["Policies"])
	diff(t, any(object{"Version": "2012-10-17", "Statement": list{
		object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": "lambda.amazonaws.com"}},
	}}), role["AssumeRolePolicyDocument"])
	// For a private API the function is in a VPC. Lambda makes its network interfaces
	// with the function's role.
	diff(t, object{"InVpc": list{"!Not", list{"!Equals", "${SubnetIds}", ""}}}, f.Conditions)
	diff(t, any(list{"!If", "InVpc", list{"arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"}, "${AWS::NoValue}"}), role["ManagedPolicyArns"])
	diff(t, any(list{"!If", "InVpc", object{"SubnetIds": list{",", "${SubnetIds}"}, "SecurityGroupIds": list{",", "${SecurityGroupIds}"}}, "${AWS::NoValue}"}), function["VpcConfig"])

	// The service stack has the same function, in another account or Region.
	_, same := plain().service.one(t, "AWS::Lambda::Function", "CustomResourceFunction")
	for _, name := range []string{"Runtime", "Handler"} {
		diff(t, same.Properties[name], function[name])
	}
	diff(t, fmt.Sprint(same.Properties["Timeout"]), fmt.Sprint(function["Timeout"]))
	diff(t, any(object{"Variables": object{
		"CADASTRE_ACCOUNT": "${AWS::AccountId}", "CADASTRE_ENDPOINT": "${ApiEndpoint}", "CADASTRE_API_REGION": list{3.0, list{":", "${ApiArn}"}},
	}}), function["Environment"])
	if !slices.Contains(stacks.Functions, "customresource") {
		t.Error("the function of the template is not built")
	}
}

// The accounts of the organisation may read the forwarder's code, and nobody else. The
// bucket has the name that the forwarder's template expects.
func TestCodeBucket(t *testing.T) {
	b := written(t, "templates/code-bucket.yaml")
	diff(t, []string{"AWS::S3::Bucket", "AWS::S3::BucketPolicy"}, kinds(b.template))
	bucket := b.Resources["Bucket"].Properties
	diff(t, any("${CodeBucketPrefix}-${AWS::Region}"), bucket["BucketName"])
	code := written(t, "templates/forwarder.yaml").Resources["Function"].Properties["Code"].(object)
	diff(t, bucket["BucketName"], code["S3Bucket"])
	diff(t, any(object{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true}), bucket["PublicAccessBlockConfiguration"])
	diff(t, any(list{
		object{"Sid": "OrganizationReads", "Effect": "Allow", "Principal": object{"AWS": "*"}, "Action": "s3:GetObject", "Resource": "${Bucket.Arn}/*",
			"Condition": object{"StringEquals": object{"aws:PrincipalOrgID": "${OrganizationId}"}}},
		object{"Sid": "TlsOnly", "Effect": "Deny", "Principal": object{"AWS": "*"}, "Action": "s3:*", "Resource": list{"${Bucket.Arn}", "${Bucket.Arn}/*"},
			"Condition": object{"Bool": object{"aws:SecureTransport": "false"}}},
	}), b.Resources["Policy"].Properties["PolicyDocument"].(object)["Statement"])
}

// kinds returns the types of a template's resources.
func kinds(t template) (all []string) {
	for _, r := range t.Resources {
		all = append(all, r.Type)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Templates to copy fit every partition, account and Region, and use all of their
// parameters.
func TestTemplatesToCopy(t *testing.T) {
	paths, _ := filepath.Glob("examples/*.yaml")
	if len(paths) < 2 {
		t.Fatalf("there are %v", paths)
	}
	for _, path := range append(paths, "templates/code-bucket.yaml", "templates/forwarder.yaml", "templates/member.yaml") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(b), "\nResources:")
		doc := written(t, path)
		for name := range doc.Parameters {
			if !regexp.MustCompile(`!Ref ` + name + `\b|\$\{` + name + `\}`).Match(b) {
				t.Errorf("%s does not use its parameter %s", path, name)
			}
		}
		for _, bound := range []string{"arn:aws", "us-east-1", "eu-", "ap-"} {
			if strings.Contains(text, bound) {
				t.Errorf("%s is bound to %s", path, bound)
			}
		}
		for id, r := range doc.Resources {
			if strings.HasPrefix(r.Type, "Custom::") {
				diff(t, any("${ServiceToken}"), r.Properties["ServiceToken"])
			}
			if r.Type == "" {
				t.Errorf("%s: %s has no type", path, id)
			}
		}
	}
}
