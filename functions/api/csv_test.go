package main

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func TestAcceptsCSV(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/csv": true, "Text/CSV": true, "application/json, text/csv;q=0.5": true, "text/csv; header=present": true, "text/csv;q=1.0": true,
		"": false, "*/*": false, "text/*": false, "application/json": false, "text/csv;q=0": false, "text/csv; q=0.000": false, "text/csv;=": false, "csv": false,
	} {
		if got := acceptsCSV(accept); got != want {
			t.Errorf("%q: %t, want %t", accept, got, want)
		}
	}
}

// The columns are the members of the record, in the order of the API's documentation. Each
// has its own member's value.
func TestHistoryColumns(t *testing.T) {
	record := types.IpamAddressHistoryRecord{}
	v := reflect.ValueOf(&record).Elem()
	at := time.Date(2026, 3, 4, 5, 6, 7, 890e6, time.UTC)
	members := map[string]string{}
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if !v.Type().Field(i).IsExported() {
			continue
		}
		switch f.Interface().(type) {
		case *string:
			text := "value of " + name
			f.Set(reflect.ValueOf(&text))
		case *time.Time:
			moment := at.Add(time.Duration(i) * time.Second)
			f.Set(reflect.ValueOf(&moment))
		default:
			f.SetString("value of " + name)
		}
		members[name] = "value of " + name
		if strings.HasPrefix(name, "Sampled") {
			members[name] = at.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000Z")
		}
	}
	got := map[string]string{}
	for _, c := range historyColumns {
		got[c.name] = c.value(&record)
	}
	if diff := cmp.Diff(got, members); diff != "" || len(historyColumns) != len(members) {
		t.Errorf("-got +want:\n%s", diff)
	}
}

// The JSON door returns history as CSV, page by page. It guards names that a spreadsheet
// would run as formulas.
func TestHistoryAsCSV(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	table := &tabletest.Memory{}
	handler := realHandler(table, func() time.Time { return now })
	call := func(operation, accept, body string) events.APIGatewayProxyResponse {
		t.Helper()
		e := adminEvent(http.MethodPost, "/v1/{operation}", body)
		e.PathParameters = map[string]string{"operation": operation}
		e.Headers = map[string]string{"accept": accept}
		return must(handler.Handle(t.Context(), Event{APIGatewayProxyRequest: e}))(t)
	}
	made := call("CreateIpam", "text/csv", `{}`) // this operation has no CSV
	if made.StatusCode != http.StatusOK || made.Headers["Content-Type"] != "application/json" {
		t.Fatalf("%+v", made)
	}
	_, scope, _ := strings.Cut(made.Body, `"PrivateDefaultScopeId":"`)
	scope, _, _ = strings.Cut(scope, `"`)
	names := []string{"plain", "=1+2", "+1", "-1", "@sum", "\tx", "\rx", `a "quoted", one`, "two\nlines", ""}
	for i, name := range names {
		r := ipam.HistoryRecord{
			Type: ipam.HistoryVPC, Owner: owner, Region: homeRegion, ID: fmt.Sprintf("vpc-%02d", i), CIDR: netip.MustParsePrefix("10.0.0.0/16"), Name: name,
			Compliance: ipam.Compliant, Overlap: ipam.Nonoverlapping, Start: now.UnixMilli() - 1000,
		}
		if err := store.New(table, store.Options{Region: homeRegion}).PutHistory(t.Context(), scope, r); err != nil {
			t.Fatal(err)
		}
	}
	var rows [][]string
	for token, pages := "", 0; ; pages++ {
		body := `{"IpamScopeId": "` + scope + `", "Cidr": "10.0.0.0/16", "MaxResults": 4`
		if token != "" {
			body += `, "NextToken": "` + token + `"`
		}
		a := call("GetIpamAddressHistory", "text/csv", body+"}")
		if a.StatusCode != http.StatusOK || a.Headers["Content-Type"] != "text/csv; charset=utf-8; header=present" {
			t.Fatalf("%+v", a)
		}
		if lines := strings.Count(a.Body, "\r\n"); pages == 0 && lines != 5 {
			t.Errorf("%d lines end with CRLF in %q", lines, a.Body)
		}
		got := must(csv.NewReader(strings.NewReader(a.Body)).ReadAll())(t)
		if want := "ResourceOwnerId,ResourceRegion,ResourceType,ResourceId,ResourceCidr,ResourceName,ResourceComplianceStatus,ResourceOverlapStatus,VpcId,SampledStartTime,SampledEndTime"; strings.Join(got[0], ",") != want {
			t.Errorf("the header row is %q, want %s", got[0], want)
		}
		rows = append(rows, got[1:]...)
		if token = a.Headers["X-Next-Token"]; token == "" {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
	}
	// A line ends with CRLF in CSV. The reader drops a single CR, but keeps the guard.
	want := []string{"plain", "'=1+2", "'+1", "'-1", "'@sum", "'\tx", "'x", `a "quoted", one`, "two\nlines", ""}
	for i, row := range rows {
		if diff := cmp.Diff(row, []string{owner, homeRegion, "vpc", fmt.Sprintf("vpc-%02d", i), "10.0.0.0/16", want[i], "compliant", "nonoverlapping", "", "2026-01-02T03:04:04.000Z", ""}); diff != "" {
			t.Errorf("row %d, -got +want:\n%s", i, diff)
		}
	}
	if len(rows) != len(names) {
		t.Errorf("%d rows, want %d", len(rows), len(names))
	}
	described := must(handler.Handle(t.Context(), Event{APIGatewayProxyRequest: adminEvent(http.MethodGet, "/v1/openapi.json", "")}))(t)
	if n := strings.Count(described.Body, "text/csv"); n != 1 {
		t.Errorf("the description has CSV %d times", n)
	}
	none := call("GetIpamAddressHistory", "text/csv", `{"IpamScopeId": "`+scope+`", "Cidr": "10.9.0.0/16"}`)
	if rows := must(csv.NewReader(strings.NewReader(none.Body)).ReadAll())(t); none.StatusCode != http.StatusOK || len(rows) != 1 || rows[0][0] != "ResourceOwnerId" || none.Headers["X-Next-Token"] != "" {
		t.Errorf("of an address that was never used: %+v", none)
	}
	refused := call("GetIpamAddressHistory", "text/csv", `{"IpamScopeId": "`+scope+`"}`)
	if refused.StatusCode != http.StatusBadRequest || refused.Headers["Content-Type"] != "application/json" {
		t.Errorf("a refusal is %+v", refused)
	}
	plain := call("GetIpamAddressHistory", "*/*", `{"IpamScopeId": "`+scope+`", "Cidr": "10.0.0.0/16", "MaxResults": 4}`)
	if plain.Headers["Content-Type"] != "application/json" || plain.Headers["X-Next-Token"] != "" || !strings.Contains(plain.Body, `"NextToken"`) {
		t.Errorf("with no preferred type: %+v", plain)
	}
}
