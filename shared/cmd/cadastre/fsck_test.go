package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
)

type item = map[string]types.AttributeValue

func grants(text string) item {
	return item{"PK": str("GRANTS"), "SK": str("META"), "Object": str(text), "Since": str("1")}
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Only a problem that every scan finds counts, and no unnecessary scan runs.
func TestCheckTrustsNoSingleScan(t *testing.T) {
	good, bad, other := grants("{}"), grants("{"), item{"PK": str("X"), "SK": str("Y")}
	broken := errors.New("no such table")
	for _, c := range []struct {
		name  string
		scans [][]item
		fails int // number of the scan that fails, from 1
		want  int
	}{
		{"in order", [][]item{{good}}, 0, 0},
		{"in order the second time", [][]item{{bad}, {good}}, 0, 0},
		{"in order the third time", [][]item{{bad}, {bad}, {good}}, 0, 0},
		{"another problem each time", [][]item{{bad}, {good, other}}, 0, 0},
		{"the same problem each time, others in between", [][]item{{bad}, {bad, other}, {bad}}, 0, 1},
		{"a scan fails", [][]item{{bad}, {bad}}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			var out bytes.Buffer
			f := tableCheck{format: formatTable, stdout: &out, progress: log.New(&out, "", 0)}
			found, err := f.check(t.Context(), func(context.Context) (iter.Seq[item], func() error) {
				n++
				return slices.Values(c.scans[n-1]), func() error {
					if n == c.fails {
						return broken
					}
					return nil
				}
			}, fsck.Check, 0)
			if len(found) != c.want || errors.Is(err, broken) != (c.fails > 0) || n != len(c.scans) {
				t.Errorf("%d scans: %v, %v\n%s", n, found, err, out.Bytes())
			}
			for _, p := range found {
				if !strings.Contains(out.String(), p.Invariant) || !strings.Contains(out.String(), p.Key) || !strings.Contains(out.String(), p.Text) {
					t.Errorf("%s is not printed", p)
				}
			}
		})
	}
}

// The list of a restore's losses is printed, and written as JSON lines. A scan that fails
// leaves the file as it is.
func TestListLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lost.jsonl")
	old := []item{grants(`{"readers":["*"]}`), {
		"PK": str("SPACE#ipam-pool-1#TAKEN"), "SK": str("0a000300#024"), "AllocationId": str("ipam-pool-alloc-1"), "Kind": str("custom"), "Owner": str("111122223333"),
		"Tags": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"k": str("<v>")}},
	}}
	scanOf := func(items []item, err error) scan {
		return func(context.Context) (iter.Seq[item], func() error) {
			return slices.Values(items), func() error { return err }
		}
	}
	var out bytes.Buffer
	f := tableCheck{format: formatTable, file: file, stdout: &out, progress: log.New(&out, "", 0)}
	if err := f.listLost(t.Context(), scanOf(old, nil), scanOf(old[:1], nil)); err != nil {
		t.Fatal(err)
	}
	const text = "HOW      LOSS\nmissing  allocation ipam-pool-alloc-1, custom 10.0.3.0/24 of ipam-pool-1, account 111122223333, tag \"k\" \"<v>\"\n1 missing, 0 different, 0 returned\n"
	const lines = `{"how":"missing","kind":"allocation","id":"ipam-pool-alloc-1","owner":"111122223333","pool":"ipam-pool-1","cidr":"10.0.3.0/24","type":"custom","tags":{"k":"<v>"}}` + "\n"
	if out.String() != text {
		t.Errorf("printed: %s", out.String())
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != lines {
		t.Errorf("written: %s, %v", b, err)
	}
	out.Reset()
	csv := tableCheck{format: formatCSV, stdout: &out, progress: log.New(io.Discard, "", 0)}
	if err := csv.listLost(t.Context(), scanOf(old, nil), scanOf(old[:1], nil)); err != nil {
		t.Fatal(err)
	}
	const rows = "how,kind,id,owner,pool,cidr,type,resource,description,tags,differences\r\n" +
		`missing,allocation,ipam-pool-alloc-1,111122223333,ipam-pool-1,10.0.3.0/24,custom,,,"{""k"":""\u003cv\u003e""}",` + "\r\n"
	if out.String() != rows {
		t.Errorf("as CSV: %q", out.String())
	}
	broken := errors.New("no such table")
	for _, scans := range [][2]error{{broken, nil}, {nil, broken}} {
		f := tableCheck{format: formatTable, file: file, stdout: io.Discard, progress: log.New(io.Discard, "", 0)}
		if err := f.listLost(t.Context(), scanOf(nil, scans[0]), scanOf(nil, scans[1])); !errors.Is(err, broken) {
			t.Errorf("a scan failed, and the error is %v", err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != lines {
		t.Errorf("after a scan that failed: %s, %v", b, err)
	}
}

func TestFsckExitStatus(t *testing.T) {
	url := os.Getenv("CADASTRE_DYNAMODB_LOCAL_URL")
	if url == "" {
		if os.Getenv("CADASTRE_SKIP_SERVICES") == "1" {
			t.Skip("CADASTRE_SKIP_SERVICES=1")
		}
		t.Fatal("CADASTRE_DYNAMODB_LOCAL_URL is not set; `make test` starts DynamoDB Local and sets it")
	}
	environment(t, "111122223333")
	for name, value := range map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "111122223333", "AWS_SECRET_ACCESS_KEY": "local"} {
		t.Setenv(name, value)
	}
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("111122223333", "local", ""),
		DisableValidateResponseChecksum: true,
	})
	table := fmt.Sprintf("fsck-%d", time.Now().UnixNano())
	key := func(name string, as types.KeyType) (types.AttributeDefinition, types.KeySchemaElement) {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS}, types.KeySchemaElement{AttributeName: &name, KeyType: as}
	}
	pk, hash := key("PK", types.KeyTypeHash)
	sk, ranged := key("SK", types.KeyTypeRange)
	other := table + "-old"
	for _, name := range []string{table, other} {
		if _, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
			TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{pk, sk}, KeySchema: []types.KeySchemaElement{hash, ranged},
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)})
		})
	}
	put := func(i item) {
		t.Helper()
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: i}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want int, prints string, args ...string) {
		t.Helper()
		var out, complaints bytes.Buffer
		if status := run(t.Context(), append([]string{"fsck"}, args...), &out, &complaints); status != want || !strings.Contains(out.String()+complaints.String(), prints) {
			t.Errorf("fsck %s: status %d, want %d and %q\n%s%s", strings.Join(args, " "), status, want, prints, out.Bytes(), complaints.Bytes())
		}
	}
	for i := range 50 { // in every segment
		put(item{"PK": str(fmt.Sprintf("OWNER#%012d", i)), "SK": str("META"), "IpamCount": &types.AttributeValueMemberN{Value: "0"}})
	}
	expect(statusDone, "50 items", "--table", table, "--dynamodb-endpoint", url)
	put(item{
		"PK": str("HISTORY#ipam-scope-1#0a000000#008"), "SK": str("vpc#vpc-1#000000000000001"),
		"Object": str(`{"Type":"vpc","ID":"vpc-1","CIDR":"10.0.0.0/8","Start":1}`),
	})
	expect(statusDone, "51 items", "--table", table, "--dynamodb-endpoint", url)
	expect(statusFound, "history ", "--table", table, "--dynamodb-endpoint", url, "--settled")
	put(grants("no JSON"))
	expect(statusFound, ": 1 problems", "--table", table, "--dynamodb-endpoint", url)
	expect(statusFound, `"invariant": "form"`, "--table", table, "--dynamodb-endpoint", url, "-o", "json")
	expect(statusFailed, "ResourceNotFoundException", "--table", table+"x", "--dynamodb-endpoint", url)
	expect(statusDone, "0 missing, 0 different, 1 returned", "--table", table, "--lost-since", other, "--dynamodb-endpoint", url)
	expect(statusFailed, "ResourceNotFoundException", "--table", table, "--lost-since", table+"x", "--dynamodb-endpoint", url)
	expect(statusMisused, "names another table", "--table", table, "--lost-since", table, "--dynamodb-endpoint", url)
	expect(statusMisused, "names another table", "--table", table, "--losses", "lost.jsonl", "--dynamodb-endpoint", url)
	expect(statusMisused, "names another table", "--table", table, "--lost-since", other, "--settled", "--dynamodb-endpoint", url)
	expect(statusMisused, "name the table", "--dynamodb-endpoint", url)
	expect(statusMisused, `"spare" is no flag`, "--table", table, "spare")
	expect(statusMisused, "unknown flag", "--tabel", table)
}
