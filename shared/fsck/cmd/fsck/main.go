// Fsck checks the invariants of a live table:
//
//	fsck -table NAME [-region REGION] [-endpoint URL] [-settled]
//	fsck -table NAME -lost-since OLD [-json FILE] [-region REGION] [-endpoint URL]
//
// It reads the whole table, strongly consistent, with the credentials and the
// Region of the environment, which it finds like the AWS CLI does. It needs
// dynamodb:Scan and writes nothing. Its exit status is 0 if the table is in
// order, 1 if there are problems, which it prints, and 2 if it could not check.
//
// A scan is no snapshot: it may see only a part of a transaction that runs at
// the same time, and such a part looks like a problem. So a problem counts only
// if the next scans, a moment later, find exactly the same one. There are three
// scans at most, and one if it finds nothing. A real problem whose numbers
// change all the time can stay hidden. To be certain, check while nothing
// writes, or check a table restored from a backup.
//
// History follows the table's other items with a delay. With -settled, for a
// table that nothing has written to for a while, history must be complete.
//
// With -lost-since it checks nothing, and lists the losses of a restore. The table is the
// restored one, and OLD is the one that was in use before. It lists the IPAMs, scopes,
// pools, resource discoveries, associations, CIDRs of pools, allocations, grants and the
// administrator that OLD has and the table has not ("missing"), or has otherwise
// ("different"), and those that OLD has no more ("returned"). It prints a line for each,
// and with -json it also writes a JSON object for each, one a line, into FILE, the input
// of putback. Callers must be kept out of both tables meanwhile. Its exit status is 0
// unless it could not read both tables.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	inOrder = iota
	problems
	notChecked
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out, complain := log.New(stdout, "", 0), log.New(stderr, "fsck: ", 0)
	flags := flag.NewFlagSet("fsck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	table := flags.String("table", os.Getenv("CADASTRE_TABLE"), "`name` of the table")
	region := flags.String("region", "", "the table's `Region`, if not that of the environment")
	endpoint := flags.String("endpoint", "", "`URL` of DynamoDB, if not that of the Region")
	settled := flags.Bool("settled", false, "history has caught up with the rest")
	old := flags.String("lost-since", "", "list the differences from `OLD`, the table that was in use before the table was restored")
	file := flags.String("json", "", "with -lost-since, `FILE` to write the list to as JSON lines")
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp: //nolint:errorlint // Parse returns it as it is
		return inOrder
	case err != nil:
		return notChecked
	case flags.NArg() > 0 || *table == "":
		complain.Print("name the table with -table, and nothing else; see -h")
		return notChecked
	case *old == *table, *file != "" && *old == "", *settled && *old != "":
		complain.Print("-lost-since names another table; it goes with -json, and not with -settled; see -h")
		return notChecked
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(*region))
	if err != nil {
		complain.Print(err)
		return notChecked
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.RetryMaxAttempts = 10 // a scan has time
		if *endpoint != "" {
			o.BaseEndpoint = endpoint
		}
		// The SDK computes other checksums than DynamoDB Local.
		o.DisableValidateResponseChecksum = o.BaseEndpoint != nil
	})
	if *old != "" {
		if err := listLost(ctx, tableScan(client, *old), tableScan(client, *table), *file, out); err != nil {
			complain.Printf("%s since %s: %v", *table, *old, err)
			return notChecked
		}
		return inOrder
	}
	look := fsck.Check
	if *settled {
		look = fsck.CheckSettled
	}
	found, err := check(ctx, tableScan(client, *table), look, 2*time.Second, out)
	if err != nil {
		complain.Printf("%s: %v", *table, err)
		return notChecked
	}
	if len(found) > 0 {
		out.Printf("%s: %d problems", *table, len(found))
		return problems
	}
	out.Printf("%s: in order", *table)
	return inOrder
}

// scan returns the items of a table. After the range over them, failure returns
// the error of the scan.
type scan func(ctx context.Context) (items iter.Seq[map[string]types.AttributeValue], failure func() error)

// look returns the problems of a table.
type look func(items iter.Seq[map[string]types.AttributeValue], now time.Time) []fsck.Problem

// listLost prints the differences between the tables before and after a restore, and
// writes them into the file as JSON lines, unless its name is empty.
func listLost(ctx context.Context, before, restored scan, file string, out *log.Logger) error {
	old, oldFailure := before(ctx)
	now, nowFailure := restored(ctx)
	lost := fsck.Lost(old, now)
	if err := errors.Join(oldFailure(), nowFailure()); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	counts := map[fsck.How]int{}
	var lines bytes.Buffer
	lineEncoder := json.NewEncoder(&lines)
	lineEncoder.SetEscapeHTML(false)
	for _, l := range lost {
		out.Print(l)
		counts[l.How]++
		if err := lineEncoder.Encode(l); err != nil {
			return err
		}
	}
	out.Printf("%d missing, %d different, %d returned", counts[fsck.Missing], counts[fsck.Different], counts[fsck.Returned])
	if file == "" {
		return nil
	}
	return os.WriteFile(file, lines.Bytes(), 0o600)
}

const scans = 3

// check prints the numbers of items by kind. It returns, and prints, the
// problems that every scan found.
func check(ctx context.Context, scan scan, look look, pause time.Duration, out *log.Logger) (found []fsck.Problem, err error) {
	for n := range scans {
		if n > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		items, failure := scan(ctx)
		counts := make(map[string]int)
		now := look(counted(items, counts), time.Now())
		if err := failure(); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		if n == 0 {
			found = now
		} else {
			found = slices.DeleteFunc(found, func(p fsck.Problem) bool { return !slices.Contains(now, p) })
		}
		if len(found) == 0 || n == scans-1 {
			printCounts(out, counts)
			break
		}
		out.Printf("scan %d: %d problems, perhaps of writes meanwhile; scanning again", n+1, len(found))
	}
	for _, p := range found {
		out.Print(p)
	}
	return found, nil
}

// counted yields items and counts them by kind.
func counted(items iter.Seq[map[string]types.AttributeValue], counts map[string]int) iter.Seq[map[string]types.AttributeValue] {
	return func(yield func(map[string]types.AttributeValue) bool) {
		for i := range items {
			pk, _ := i["PK"].(*types.AttributeValueMemberS)
			if pk != nil {
				sort, _, _ := strings.Cut(pk.Value, "#")
				if sort == "SPACE" {
					sort = pk.Value[strings.LastIndexByte(pk.Value, '#')+1:]
				}
				counts[sort]++
			}
			if !yield(i) {
				return
			}
		}
	}
}

func printCounts(out *log.Logger, counts map[string]int) {
	total := 0
	for _, sort := range slices.Sorted(maps.Keys(counts)) {
		out.Printf("%9d %s", counts[sort], sort)
		total += counts[sort]
	}
	out.Printf("%9d items", total)
}

// segments is the number of parts of the table that are read in parallel.
const segments = 8

func tableScan(client dynamodb.ScanAPIClient, table string) scan {
	return func(ctx context.Context) (iter.Seq[map[string]types.AttributeValue], func() error) {
		var failure error
		return func(yield func(map[string]types.AttributeValue) bool) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			g, ctx := errgroup.WithContext(ctx)
			pages := make(chan []map[string]types.AttributeValue)
			for i := range segments {
				g.Go(func() error {
					p := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{
						TableName: &table, ConsistentRead: aws.Bool(true), Segment: aws.Int32(int32(i)), TotalSegments: aws.Int32(segments),
					})
					for p.HasMorePages() {
						page, err := p.NextPage(ctx)
						if err != nil {
							return err
						}
						select {
						case pages <- page.Items:
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					return nil
				})
			}
			go func() {
				failure = g.Wait()
				close(pages)
			}()
			for page := range pages {
				for _, i := range page {
					if !yield(i) {
						return
					}
				}
			}
		}, func() error { return failure }
	}
}
