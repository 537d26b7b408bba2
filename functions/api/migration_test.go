package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/fsck/fscktest"
	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// frontOf serves a handler by HTTP, as API Gateway does for the owner's administrator.
func frontOf(t *testing.T, handler *Handler) migration.Cadastre {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		e := adminEvent(r.Method, r.URL.Path, string(body))
		if operation, ok := strings.CutPrefix(r.URL.Path, "/v1/"); ok {
			e.Resource, e.PathParameters = "/v1/{operation}", map[string]string{"operation": operation}
		}
		e.MultiValueHeaders = r.Header
		answer, err := handler.Handle(r.Context(), Event{APIGatewayProxyRequest: e})
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer.StatusCode)
		io.WriteString(w, answer.Body)
	}))
	t.Cleanup(server.Close)
	keys := credentials.NewStaticCredentialsProvider("AKIA", "secret", "")
	return migration.Cadastre{
		EC2:  ec2.NewFromConfig(aws.Config{Region: homeRegion, Credentials: keys}, client.Options(server.URL, homeRegion)),
		JSON: &client.JSON{Endpoint: server.URL, Region: homeRegion, ActFor: homeRegion, Credentials: keys},
	}
}

// An export is imported into an empty table, whose export is then the same.
func TestExportAndImport(t *testing.T) {
	const content = "type,scope,pool,source,cidr,description,tags,locale,shares,family,regions\r\n" +
		"ipam,,,,,main,Name=main,,,,ap-northeast-1 us-east-1\r\n" +
		"scope,lab,,,,overlaps,,,,,\r\n" +
		"pool,,top,,10.0.0.0/8 2.0.0.0/8,,,,,,\r\n" +
		"pool,,tokyo,top,10.4.0.0/16,,env=prod,ap-northeast-1,444455556666 o-a1b2c3d4e5,,\r\n" +
		"pool,lab,top,,10.0.0.0/8,,,,,,\r\n" +
		",,tokyo,,10.4.0.0/24,on premises,a=b;c=,,,,\r\n" +
		",lab,,,10.4.0.0/24,,,,,,\r\n"
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	play := func(document *migration.Document) (exported []byte) {
		t.Helper()
		table := &tabletest.Memory{}
		api := frontOf(t, realHandler(table, func() time.Time { return now }))
		importer := &migration.Importer{API: api, Parallel: 1, Read: func(ctx context.Context) (*migration.Deployment, error) { return api.Read(ctx, "", 1, nil) }}
		if result, err := importer.Import(t.Context(), document); err != nil || len(result.Findings) > 0 {
			t.Fatalf("%+v, %v", result, err)
		}
		fscktest.Clean(t, table, now)
		d, err := importer.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := d.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	read := func(text string) *migration.Document {
		t.Helper()
		document, findings, err := migration.ReadCSV(strings.NewReader(text), migration.Mapping{})
		if err != nil || len(findings) > 0 {
			t.Fatal(findings, err)
		}
		return document
	}
	first := string(play(read(content)))
	if strings.Count(first, "\r\n") != 10 { // the header, and the two default scopes
		t.Errorf("exported\n%s", first)
	}
	if diff := cmp.Diff(first, string(play(read(first)))); diff != "" {
		t.Errorf("the second export differs:\n%s", diff)
	}
}
