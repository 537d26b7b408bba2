package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// The function uses the deployer's grants and those in the table.
func TestOpen(t *testing.T) {
	table := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem") {
			fmt.Fprint(w, `{"Responses": {"registry": [{"PK": {"S": "GRANTS"}, "SK": {"S": "META"}, "Object": {"S": "{\"readers\": [\"arn:aws:iam::*:user/by-table\"]}"}}]}, "UnprocessedKeys": {}}`)
			return
		}
		fmt.Fprint(w, `{"Items": [], "Count": 0}`)
	}))
	defer table.Close()
	for name, value := range map[string]string{
		"CADASTRE_TABLE": "registry", "CADASTRE_HOME_REGION": "us-east-1", "CADASTRE_ACCOUNT": "111122223333",
		"CADASTRE_GRANTS": `{"readers": ["arn:aws:iam::*:user/by-deployer"]}`, "CADASTRE_QUOTAS": "",
		"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL_DYNAMODB": table.URL,
	} {
		t.Setenv(name, value)
	}
	operations, err := openRegistry(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]ipam.Code{"by-deployer": "", "by-table": "", "by-nobody": ipam.CodeUnauthorizedOperation} {
		ctx := registry.WithCaller(t.Context(), registry.Caller{Account: "444455556666", ARN: "arn:aws:iam::444455556666:user/" + user})
		if _, err := operations.Call(ctx, "DescribeIpams", &ec2.DescribeIpamsInput{}); ipam.CodeOf(err) != want {
			t.Errorf("%s: %v, want the code %q", user, err, want)
		}
	}
	for name, bad := range map[string]string{"CADASTRE_TABLE": "", "CADASTRE_GRANTS": "{", "CADASTRE_QUOTAS": "{", "CADASTRE_VPCS_FROM_POOLS_ONLY": "perhaps"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, bad)
			if _, err := openRegistry(t.Context()); err == nil {
				t.Errorf("%q is no error", bad)
			}
		})
	}
}

// The role that the environment names creates VPCs, in the caller's account and Region.
func TestOpenVending(t *testing.T) {
	var requested []string
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action, role := r.FormValue("Action"), r.FormValue("RoleArn")
		switch {
		case r.Header.Get("X-Amz-Target") != "":
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			fmt.Fprint(w, `{"Responses": {}, "UnprocessedKeys": {}, "Items": [], "Count": 0}`)
			return
		case action == "AssumeRole" && strings.HasPrefix(role, "arn:aws:iam::111122223333:"):
			fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser><Credentials>`+
				`<AccessKeyId>ASIAVENDING</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
		case action == "AssumeRole":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`)
		default:
			_, by, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
			role = r.FormValue("CidrBlock") + " by " + strings.Split(by, "/")[0] + " in " + strings.Split(by, "/")[2]
			fmt.Fprint(w, `<CreateVpcResponse><vpc><vpcId>vpc-1</vpcId></vpc></CreateVpcResponse>`)
		}
		requested = append(requested, action+" "+role)
	}))
	defer cloud.Close()
	environment := map[string]string{
		"CADASTRE_TABLE": "registry", "CADASTRE_HOME_REGION": "us-east-1", "CADASTRE_ACCOUNT": "111122223333", "CADASTRE_GRANTS": `{"allocators": ["*"]}`,
		"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": cloud.URL,
	}
	for _, c := range []struct {
		name, role, only, account string
		code                      ipam.Code
		requested                 []string
	}{
		{"the caller's account and Region", "ipam-vending", "false", "111122223333", "",
			[]string{"AssumeRole arn:aws:iam::111122223333:role/ipam-vending", "CreateVpc 10.0.0.0/24 by ASIAVENDING in eu-west-1"}},
		{"an account without the role", "ipam-vending", "", "444455556666", ipam.CodeUnauthorizedOperation, []string{"AssumeRole arn:aws:iam::444455556666:role/ipam-vending"}},
		{"from pools only", "ipam-vending", "true", "111122223333", ipam.CodeUnauthorizedOperation, nil},
		{"no role", "", "false", "111122223333", ipam.CodeUnsupportedOperation, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			requested = nil
			for name, value := range environment {
				t.Setenv(name, value)
			}
			t.Setenv("CADASTRE_VENDING_ROLE", c.role)
			t.Setenv("CADASTRE_VPCS_FROM_POOLS_ONLY", c.only)
			operations, err := openRegistry(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx := registry.WithCaller(t.Context(), registry.Caller{Account: c.account, ARN: "arn:aws:iam::" + c.account + ":user/a", Region: "eu-west-1"})
			_, err = operations.Call(ctx, "CreateVpc", &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/24")})
			if ipam.CodeOf(err) != c.code || !slices.Equal(requested, c.requested) {
				t.Errorf("%v, requested %q; want the code %q and %q", err, requested, c.code, c.requested)
			}
		})
	}
}
