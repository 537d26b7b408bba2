// Command putback puts the losses of a restore back into the restored table:
//
//	putback -table RESTORED -from OLD [-region REGION] [-endpoint URL] <lost.jsonl
//
// RESTORED is the restored table. OLD is the table that was in use before, and stays as it
// is. The standard input has the losses as JSON lines, as `cadastre fsck --lost-since` writes them,
// in their order; remove the lines of things that are not to be put back.
//
// It first marks the table as restored, so that no id is used twice, even if no line
// follows. Then it puts each missing thing back whose place is free, with the same id,
// owner, description and tags, and prints a line for each: put back, there already,
// different, taken (with the holder), parent missing, gone, or not possible. It overwrites
// nothing. After an interruption run it again. It uses the credentials and the Region of
// the environment.
//
// Its exit status is 0 if everything missing is back, 1 if something is not, and 2 if it
// failed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/cadastre-ipam/cadastre/shared/layout"
	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

const (
	allBack = iota
	someNot
	failed
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, in io.Reader, out, complaints io.Writer) int {
	flags := flag.NewFlagSet("putback", flag.ContinueOnError)
	flags.SetOutput(complaints)
	name := flags.String("table", "", "`name` of the restored table")
	old := flags.String("from", "", "`name` of the table that was in use before")
	region := flags.String("region", "", "the tables' `Region`, if not that of the environment")
	endpoint := flags.String("endpoint", "", "`URL` of DynamoDB, if not that of the Region")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return allBack
	case err != nil:
		return failed
	case flags.NArg() > 0 || *name == "" || *old == "" || *name == *old:
		fmt.Fprintln(complaints, "putback: name the restored table with -table and another one with -from, and nothing else; see -h")
		return failed
	}
	left, err := open(ctx, *name, *old, *region, *endpoint, in, out)
	switch {
	case err != nil:
		fmt.Fprintln(complaints, "putback:", err)
		return failed
	case left > 0:
		return someNot
	}
	return allBack
}

// open opens both tables, and puts back from the old one into the restored one.
func open(ctx context.Context, name, old, region, endpoint string, in io.Reader, out io.Writer) (left int, err error) {
	losses, err := read(in)
	if err != nil {
		return 0, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return 0, err
	}
	client := table.NewClient(cfg, func(o *dynamodb.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
			o.DisableValidateResponseChecksum = true
		}
	})
	created := map[string]time.Time{}
	for _, t := range []string{name, old} {
		d, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t})
		if err != nil {
			return 0, fmt.Errorf("describe the table %s: %w", t, err)
		}
		created[t] = *d.Table.CreationDateTime
	}
	if created[name].Before(created[old]) {
		return 0, fmt.Errorf("%s is older than %s, so it is not restored from that; -table names the restored table", name, old)
	}
	guard := layout.NewGuard(table.NewDynamo(client, name), layout.Options{})
	s := store.New(guard, store.Options{Region: cfg.Region})
	return putBack(ctx, s, table.NewDynamo(client, old), created[name], losses, out)
}

// loss has the members of a line that matter here.
type loss struct{ How, Kind, ID, Pool, CIDR string }

func (l loss) String() string {
	text := strings.TrimSpace(l.Kind + " " + l.ID)
	if l.CIDR != "" {
		text += ", " + l.CIDR + " of " + l.Pool
	}
	return text
}

// read reads the losses, all before anything is written.
func read(in io.Reader) (all []loss, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var l loss
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.How == "" || l.Kind == "" {
			return nil, fmt.Errorf("line %d of the input is none of `cadastre fsck --lost-since`: %.200q", n, lines.Text())
		}
		if _, err := netip.ParsePrefix(l.CIDR); l.CIDR != "" && err != nil {
			return nil, fmt.Errorf("line %d of the input: %w", n, err)
		}
		all = append(all, l)
	}
	return all, lines.Err()
}

// putBack marks the table as restored and puts back the missing things. It returns how
// many are not back.
func putBack(ctx context.Context, s *store.Store, from table.Table, created time.Time, losses []loss, out io.Writer) (left int, err error) {
	if err := s.MarkRestored(ctx, created); err != nil {
		return 0, err
	}
	back := 0
	for _, l := range losses {
		if l.How != "missing" {
			fmt.Fprintf(out, "%s, stays as it is: %s\n", l.How, l)
			continue
		}
		q := store.PutBack{From: from, Kind: store.PutBackKind(l.Kind), ID: l.ID, Pool: l.Pool}
		if l.CIDR != "" {
			q.CIDR = netip.MustParsePrefix(l.CIDR) // read has parsed it
		}
		result, err := s.PutBack(ctx, q)
		if err != nil {
			return left, fmt.Errorf("%s: %w", l, err)
		}
		text := fmt.Sprintf("%s: %s", result.Outcome, l)
		if result.Detail != "" {
			text += ": " + result.Detail
		}
		fmt.Fprintln(out, text)
		switch result.Outcome {
		case store.WasPutBack, store.WasThere:
			back++
		default:
			left++
		}
	}
	fmt.Fprintf(out, "%d back, %d not\n", back, left)
	return left, nil
}
