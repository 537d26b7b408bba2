package tabletest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// The services with the DynamoDB protocol, by the environment variable with
// their URL. `make test` starts both.
const (
	DynamoDBLocal = "CADASTRE_DYNAMODB_LOCAL_URL"
	MiniStack     = "CADASTRE_MINISTACK_URL"
)

// Service is an empty DynamoDB table on a local service, for one test.
type Service struct {
	Client *dynamodb.Client
	Name   string // the table's name
}

// NewService makes a table on the service of a variable, and drops it when the
// test ends. The test fails if the variable is not set, except that
// CADASTRE_SKIP_SERVICES=1 skips it.
func NewService(t testing.TB, variable string) *Service {
	t.Helper()
	url := os.Getenv(variable)
	if url == "" {
		if os.Getenv("CADASTRE_SKIP_SERVICES") == "1" {
			t.Skip("CADASTRE_SKIP_SERVICES=1")
		}
		t.Fatalf("%s is not set; `make test` starts the service and sets it", variable)
	}
	cfg := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("111122223333", "local", ""),
	}
	if variable == MiniStack {
		// The emulator loses answers on connections that are used again.
		cfg.HTTPClient = resender{awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })}
	}
	s := &Service{
		Client: table.NewClient(cfg),
		Name:   "tabletest-" + rand.Text(),
	}
	_, err := s.Client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &s.Name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(table.AttrPK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(table.AttrSK), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(table.AttrPK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(table.AttrSK), KeyType: types.KeyTypeRange},
		},
	})
	// No other table has this name, so an existing one comes from an earlier
	// try whose answer was lost.
	if _, made := errors.AsType[*types.ResourceInUseException](err); err != nil && !made {
		t.Fatalf("create table on %s: %v", url, err)
	}
	t.Cleanup(func() {
		_, err := s.Client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &s.Name})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone { // deleted by an earlier try whose answer was lost
			t.Errorf("drop table %s: %v", s.Name, err)
		}
	})
	if err := dynamodb.NewTableExistsWaiter(s.Client).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &s.Name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return s
}

// resender sends a request again, byte for byte, when its answer is lost, which
// sometimes happens with MiniStack. A transaction's token prevents that it is
// applied twice.
type resender struct{ aws.HTTPClient }

func (c resender) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer, err := c.HTTPClient.Do(r)
		if err == nil {
			var whole []byte
			whole, err = io.ReadAll(answer.Body)
			if err = errors.Join(err, answer.Body.Close()); err == nil {
				answer.Body = io.NopCloser(bytes.NewReader(whole))
				return answer, nil
			}
		}
		if try == 3 || r.Context().Err() != nil {
			return nil, err
		}
	}
}

// Table returns the table for the store.
func (s *Service) Table() *table.Dynamo { return table.NewDynamo(s.Client, s.Name) }

// Copy reads the whole table into memory. Nothing may write to the table
// meanwhile.
func (s *Service) Copy(t testing.TB) *Memory {
	t.Helper()
	m := &Memory{}
	pages := dynamodb.NewScanPaginator(s.Client, &dynamodb.ScanInput{TableName: &s.Name, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, attrs := range page.Items {
			k := table.Key{PK: text(attrs[table.AttrPK]), SK: text(attrs[table.AttrSK])}
			delete(attrs, table.AttrPK)
			delete(attrs, table.AttrSK)
			m.set(k, attrs)
		}
	}
	return m
}

func text(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}
