package table_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/google/go-cmp/cmp"
)

// fakeAPI is a DynamoDB client of which each call is a function.
type fakeAPI struct {
	table.DynamoAPI
	batchGet func(*dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error)
	query    func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error)
	transact func(*dynamodb.TransactWriteItemsInput) error
}

func (f *fakeAPI) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return f.batchGet(in)
}

func (f *fakeAPI) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return f.query(in)
}

func (f *fakeAPI) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, f.transact(in)
}

func canceled(codes ...string) error {
	e := &types.TransactionCanceledException{}
	for _, c := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: &c})
	}
	return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: "TransactWriteItems", Err: e}
}

func api(code string) error { return &smithy.GenericAPIError{Code: code} }

// The test has the reasons that the API reference of TransactWriteItems lists.
func TestTransactionErrors(t *testing.T) {
	const unknown = "unknown"
	for name, c := range map[string]struct {
		err    error
		want   string
		failed []int
	}{
		"success":                    {nil, "", nil},
		"a condition":                {canceled("None", "ConditionalCheckFailed"), "condition", []int{1}},
		"conditions":                 {canceled("ConditionalCheckFailed", "None", "ConditionalCheckFailed"), "condition", []int{0, 2}},
		"a condition and a conflict": {canceled("TransactionConflict", "ConditionalCheckFailed"), "condition", []int{1}},
		"a condition and a throttle": {canceled("ThrottlingError", "ConditionalCheckFailed"), "condition", []int{1}},
		"a conflict":                 {canceled("None", "TransactionConflict"), "conflict", nil},
		"a conflict and a throttle":  {canceled("TransactionConflict", "ThrottlingError"), "throttled", nil},
		"a throttle":                 {canceled("ThrottlingError"), "throttled", nil},
		"provisioned throughput":     {canceled("ProvisionedThroughputExceeded"), "throttled", nil},
		"a validation error":         {canceled("ValidationError"), unknown, nil},
		"a collection's size":        {canceled("ItemCollectionSizeLimitExceeded"), unknown, nil},
		"no reason":                  {canceled(), unknown, nil},
		"a reason without a code":    {&types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{}}}, unknown, nil},
		"conflict exception":         {&types.TransactionConflictException{}, "conflict", nil},
		"throttling exception":       {api("ThrottlingException"), "throttled", nil},
		"request limit":              {&types.RequestLimitExceeded{}, "throttled", nil},
		"throughput exception":       {&types.ProvisionedThroughputExceededException{}, "throttled", nil},
		// DynamoDB is applying the same request: it may still succeed.
		"in progress":      {&types.TransactionInProgressException{}, unknown, nil},
		"another payload":  {&types.IdempotentParameterMismatchException{}, unknown, nil},
		"server error":     {&types.InternalServerError{}, unknown, nil},
		"access denied":    {api("AccessDeniedException"), unknown, nil},
		"lost connection":  {errors.New("read: connection reset by peer"), unknown, nil},
		"context deadline": {context.DeadlineExceeded, unknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			db := table.NewDynamo(&fakeAPI{transact: func(*dynamodb.TransactWriteItemsInput) error { return c.err }}, "t")
			err := db.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: table.Key{PK: "p", SK: "s"}}})
			kind := unknown
			failed, condition := errors.AsType[*table.ConditionError](err)
			switch {
			case err == nil:
				kind = ""
			case condition:
				kind = "condition"
				if !slices.Equal(failed.Failed, c.failed) {
					t.Errorf("failed writes are %v, want %v", failed.Failed, c.failed)
				}
			case errors.Is(err, table.ErrConflict):
				kind = "conflict"
			case errors.Is(err, table.ErrThrottled):
				kind = "throttled"
			}
			if kind != c.want {
				t.Errorf("%v is of kind %q, want %q", err, kind, c.want)
			}
			if c.err != nil && !condition && !errors.Is(err, c.err) {
				t.Errorf("%v does not wrap %v", err, c.err)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		throttled bool
	}{
		"throttling":    {api("ThrottlingException"), true},
		"throughput":    {&types.ProvisionedThroughputExceededException{}, true},
		"request limit": {&types.RequestLimitExceeded{}, true},
		"server error":  {&types.InternalServerError{}, false},
		"connection":    {errors.New("connection refused"), false},
	} {
		t.Run(name, func(t *testing.T) {
			db := table.NewDynamo(&fakeAPI{
				batchGet: func(*dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) { return nil, c.err },
				query:    func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) { return nil, c.err },
			}, "t")
			_, get := db.BatchGet(t.Context(), []table.Key{{PK: "p", SK: "s"}})
			_, _, query := db.Query(t.Context(), table.Query{PK: "p"})
			for _, err := range []error{get, query} {
				if !errors.Is(err, c.err) || errors.Is(err, table.ErrThrottled) != c.throttled {
					t.Errorf("%v: wraps the cause %t, throttled %t; want true, %t", err, errors.Is(err, c.err), errors.Is(err, table.ErrThrottled), c.throttled)
				}
			}
		})
	}
}

// partial answers batch-gets with at most most items at once.
func partial(most int) (*fakeAPI, *atomic.Int32) {
	var calls atomic.Int32
	return &fakeAPI{batchGet: func(in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
		calls.Add(1)
		ask := in.RequestItems["t"]
		if !aws.ToBool(ask.ConsistentRead) {
			return nil, errors.New("the read is not consistent")
		}
		if len(ask.Keys) > 100 {
			return nil, fmt.Errorf("%d keys", len(ask.Keys))
		}
		n := min(most, len(ask.Keys))
		out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{"t": ask.Keys[:n]}}
		if n < len(ask.Keys) {
			out.UnprocessedKeys = map[string]types.KeysAndAttributes{"t": {Keys: ask.Keys[n:]}}
		}
		return out, nil
	}}, &calls
}

func TestBatchGetRepeatsUnprocessedKeys(t *testing.T) {
	for _, c := range []struct{ keys, most, calls int }{
		{1, 1, 1}, {5, 2, 3}, {100, 40, 3}, {101, 100, 2}, {250, 60, 5},
	} {
		t.Run(fmt.Sprintf("%d keys, %d at once", c.keys, c.most), func(t *testing.T) {
			fake, calls := partial(c.most)
			keys := make([]table.Key, c.keys)
			want := map[table.Key]table.Item{}
			for i := range keys {
				keys[i] = table.Key{PK: "p", SK: fmt.Sprint(i)}
				want[keys[i]] = table.Item{}
			}
			have, err := table.NewDynamo(fake, "t").BatchGet(t.Context(), slices.Concat(keys, keys[:1]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("items (-want +have):\n%s", diff)
			}
			if n := int(calls.Load()); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
		})
	}
}

// Keys that stay unprocessed lead to an error, never to an answer without them: the store
// decides on the absence of an item.
func TestBatchGetNeverLeavesKeysOut(t *testing.T) {
	fake, calls := partial(0)
	items, err := table.NewDynamo(fake, "t").BatchGet(t.Context(), []table.Key{{PK: "p", SK: "s"}})
	if !errors.Is(err, table.ErrThrottled) || items != nil {
		t.Errorf("items %v, error %v; want no items and ErrThrottled", items, err)
	}
	if n := calls.Load(); n < 5 || n > 20 {
		t.Errorf("%d calls, want a bounded number of tries", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	fake.batchGet = func(in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
		cancel()
		return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
	}
	if _, err := table.NewDynamo(fake, "t").BatchGet(ctx, []table.Key{{PK: "p", SK: "s"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// If a chunk fails, the batch fails with the error of that chunk, and not with the error of
// the chunks that were cancelled.
func TestBatchGetOfChunksReportsTheCause(t *testing.T) {
	fake, _ := partial(100)
	good := fake.batchGet
	cause := errors.New("cause")
	fake.batchGet = func(in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
		for _, k := range in.RequestItems["t"].Keys {
			if k[table.AttrSK].(*types.AttributeValueMemberS).Value == "150" {
				return nil, cause
			}
		}
		return good(in)
	}
	keys := make([]table.Key, 300)
	for i := range keys {
		keys[i] = table.Key{PK: "p", SK: fmt.Sprint(i)}
	}
	if items, err := table.NewDynamo(fake, "t").BatchGet(t.Context(), keys); !errors.Is(err, cause) || items != nil {
		t.Errorf("%d items, error %v; want none and the cause", len(items), err)
	}
}

// server counts the requests of each action and answers with a status.
func server(t *testing.T, status int) (url string, count func(action string) int) {
	var mu sync.Mutex
	counts := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		mu.Lock()
		counts[action]++
		mu.Unlock()
		w.WriteHeader(status)
		w.Write([]byte(`{}`))
	}))
	t.Cleanup(s.Close)
	return s.URL, func(action string) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[action]
	}
}

func client(url string, optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	return table.NewClient(aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("111122223333", "local", ""),
	}, optFns...)
}

// A transaction is sent once, with success or without: the store decides again
// instead. Reads are repeated.
func TestWritesAreSentOnce(t *testing.T) {
	url, count := server(t, http.StatusInternalServerError)
	db := table.NewDynamo(client(url), "t")
	if err := db.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: table.Key{PK: "p", SK: "s"}}}); err == nil {
		t.Error("a transaction that the server failed succeeded")
	}
	if n := count("TransactWriteItems"); n != 1 {
		t.Errorf("the transaction was sent %d times, want once", n)
	}
	if _, err := db.BatchGet(t.Context(), []table.Key{{PK: "p", SK: "s"}}); err == nil {
		t.Error("a batch-get that the server failed succeeded")
	}
	if n := count("BatchGetItem"); n != 3 {
		t.Errorf("the batch-get was sent %d times, want 3", n)
	}
}

func TestEachTransactionHasItsOwnToken(t *testing.T) {
	seen := map[string]bool{}
	db := table.NewDynamo(&fakeAPI{transact: func(in *dynamodb.TransactWriteItemsInput) error {
		seen[aws.ToString(in.ClientRequestToken)] = true
		return nil
	}}, "t")
	for range 3 {
		if err := db.Transact(t.Context(), []table.Write{{Op: table.OpDelete, Key: table.Key{PK: "p", SK: "s"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 || seen[""] {
		t.Errorf("the tokens of 3 transactions are %v", seen)
	}
}

// The client verifies the checksums of answers, except on a configured endpoint, because
// DynamoDB Local's checksums are wrong.
func TestChecksumsAreVerifiedOnAWS(t *testing.T) {
	url := "http://127.0.0.1:8000"
	for _, cfg := range []aws.Config{{Region: "us-east-1"}, {Region: "us-east-1", BaseEndpoint: &url}} {
		var o dynamodb.Options
		table.NewClient(cfg, func(have *dynamodb.Options) { o = *have })
		if local := cfg.BaseEndpoint != nil; o.DisableValidateResponseChecksum != local {
			t.Errorf("configured endpoint %t: checksums are not verified: %t", local, o.DisableValidateResponseChecksum)
		}
	}
}
