package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

// The function decides by the deployer's grants and by those in the table.
func TestOpen(t *testing.T) {
	table := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem") {
			fmt.Fprint(w, `{"Responses": {"registry": [{"PK": {"S": "GRANTS"}, "SK": {"S": "META"}, "Object": {"S": "{\"readers\": [\"*:user/by-table\"]}"}}]}, "UnprocessedKeys": {}}`)
			return
		}
		fmt.Fprint(w, `{"Items": [], "Count": 0}`)
	}))
	defer table.Close()
	for name, value := range map[string]string{
		"CADASTRE_TABLE": "registry", "CADASTRE_HOME_REGION": "us-east-1", "CADASTRE_ACCOUNT": "111122223333",
		"CADASTRE_GRANTS": `{"readers": ["*:user/by-deployer"]}`, "CADASTRE_QUOTAS": "",
		"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL_DYNAMODB": table.URL,
	} {
		t.Setenv(name, value)
	}
	registry, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]ipam.Code{"by-deployer": "", "by-table": "", "by-nobody": ipam.CodeUnauthorizedOperation} {
		ctx := ops.WithCaller(t.Context(), ops.Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/" + user})
		if _, err := registry.Call(ctx, "DescribeIpams", &ec2.DescribeIpamsInput{}); ipam.CodeOf(err) != want {
			t.Errorf("%s: %v, want the code %q", user, err, want)
		}
	}
	for name, bad := range map[string]string{"CADASTRE_TABLE": "", "CADASTRE_GRANTS": "{", "CADASTRE_QUOTAS": "{"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, bad)
			if _, err := open(t.Context()); err == nil {
				t.Errorf("%q is no error", bad)
			}
		})
	}
}
