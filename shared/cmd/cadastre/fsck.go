package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cadastre-ipam/cadastre/shared/fsck"
)

func newFsck(s *settings) *cobra.Command {
	var f tableCheck
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check the invariants of a table, or list the losses of a restore",
		Long: `fsck checks the invariants of a live table. It reads the whole table, strongly consistent,
needs dynamodb:Scan and writes nothing. The exit status is 0 if the table is in order, and
1 if there are problems, which it prints.

A scan is no snapshot: it may see only a part of a transaction that runs at the same time,
and such a part looks like a problem. So a problem counts only if the next scans, a moment
later, find exactly the same one. There are three scans at most, and one if it finds
nothing. A real problem whose numbers change all the time can stay hidden. To be certain,
check while nothing writes, or check a table restored from a backup.

History follows the table's other items with a delay. With --settled, for a table that
nothing has written to for a while, history must be complete.

With --lost-since it checks nothing, and lists the losses of a restore. The table is the
restored one, and OLD is the one that was in use before. It lists the IPAMs, scopes, pools,
resource discoveries, associations, CIDRs of pools, allocations, grants and the
administrator that OLD has and the table has not ("missing"), or has otherwise
("different"), and those that OLD has no more ("returned"). With --losses it also writes a
JSON object for each, one a line, into FILE, the input of putback. Callers must be kept out
of both tables meanwhile. The exit status is 0 unless it could not read both tables.`,
		Example: `  cadastre fsck --table cadastre-table
  cadastre fsck --table cadastre-restored --lost-since cadastre-table --losses lost.jsonl`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.table == "" {
				return misusef("name the table with --table, %s or the member table of the configuration file", variable("table"))
			}
			if f.old == s.table || f.file != "" && f.old == "" || f.settled && f.old != "" {
				return misusef("--lost-since names another table; it goes with --losses, and not with --settled")
			}
			f.settings, f.stdout, f.format = s, c.OutOrStdout(), s.output
			f.progress = log.New(c.OutOrStdout(), "", 0)
			if f.format != formatTable {
				f.progress.SetOutput(c.ErrOrStderr())
			}
			return f.run(c.Context())
		},
	}
	s.addTable(c)
	s.addOutput(c)
	c.Flags().StringVar(&f.endpoint, "dynamodb-endpoint", "", "`URL` of DynamoDB, if not that of the Region")
	c.Flags().BoolVar(&f.settled, "settled", false, "history has caught up with the rest")
	c.Flags().StringVar(&f.old, "lost-since", "", "list the differences from `OLD`, the table that was in use before the table was restored")
	c.Flags().StringVar(&f.file, "losses", "", "with --lost-since, `FILE` to write the list to as JSON lines")
	return c
}

// tableCheck is one run of the command.
type tableCheck struct {
	settings *settings
	endpoint string
	settled  bool
	old      string
	file     string
	format   format
	stdout   io.Writer
	progress *log.Logger // counts and summaries
}

func (f *tableCheck) run(ctx context.Context) error {
	var options []func(*config.LoadOptions) error
	if f.settings.region != "" {
		options = append(options, config.WithRegion(f.settings.region))
	}
	cfg, err := f.settings.loadAWS(ctx, "", options...)
	if err != nil {
		return err
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.RetryMaxAttempts = 10 // a scan has time
		if f.endpoint != "" {
			o.BaseEndpoint = &f.endpoint
		}
		// The SDK computes other checksums than DynamoDB Local.
		o.DisableValidateResponseChecksum = o.BaseEndpoint != nil
	})
	table := f.settings.table
	if f.old != "" {
		if err := f.listLost(ctx, tableScan(client, f.old), tableScan(client, table)); err != nil {
			return fmt.Errorf("%s since %s: %w", table, f.old, err)
		}
		return nil
	}
	look := fsck.Check
	if f.settled {
		look = fsck.CheckSettled
	}
	problems, err := f.check(ctx, tableScan(client, table), look, 2*time.Second)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	if len(problems) > 0 {
		f.progress.Printf("%s: %d problems", table, len(problems))
		return errFound
	}
	f.progress.Printf("%s: in order", table)
	return nil
}

// scan returns the items of a table. After the range over them, failure returns
// the error of the scan.
type scan func(ctx context.Context) (items iter.Seq[map[string]types.AttributeValue], failure func() error)

// look returns the problems of a table.
type look func(items iter.Seq[map[string]types.AttributeValue], now time.Time) []fsck.Problem

// listLost prints the differences between the tables before and after a restore, and
// writes them into the file as JSON lines, unless its name is empty.
func (f *tableCheck) listLost(ctx context.Context, before, restored scan) error {
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
		counts[l.How]++
		if err := lineEncoder.Encode(l); err != nil {
			return err
		}
	}
	columns := lossColumns
	if f.format == formatTable {
		columns = lossTable
	}
	if err := printList(f.stdout, f.format, lost, columns); err != nil {
		return err
	}
	f.progress.Printf("%d missing, %d different, %d returned", counts[fsck.Missing], counts[fsck.Different], counts[fsck.Returned])
	if f.file == "" {
		return nil
	}
	return os.WriteFile(f.file, lines.Bytes(), 0o600)
}

var problemColumns = []column[fsck.Problem]{
	{"invariant", func(p fsck.Problem) string { return p.Invariant }},
	{"key", func(p fsck.Problem) string { return p.Key }},
	{"text", func(p fsck.Problem) string { return p.Text }},
}

// lossTable has the columns of losses for a terminal: a sentence for each.
var lossTable = []column[fsck.Loss]{
	{"how", func(l fsck.Loss) string { return string(l.How) }},
	{"loss", func(l fsck.Loss) string { return strings.TrimPrefix(l.String(), string(l.How)+": ") }},
}

// lossColumns has the columns of losses for CSV. Tags and differences are JSON.
var lossColumns = []column[fsck.Loss]{
	{"how", func(l fsck.Loss) string { return string(l.How) }},
	{"kind", func(l fsck.Loss) string { return l.Kind }},
	{"id", func(l fsck.Loss) string { return l.ID }},
	{"owner", func(l fsck.Loss) string { return l.Owner }},
	{"pool", func(l fsck.Loss) string { return l.Pool }},
	{"cidr", func(l fsck.Loss) string { return l.CIDR }},
	{"type", func(l fsck.Loss) string { return l.Type }},
	{"resource", func(l fsck.Loss) string { return l.Resource }},
	{"description", func(l fsck.Loss) string { return l.Description }},
	{"tags", func(l fsck.Loss) string { return jsonText(l.Tags, len(l.Tags)) }},
	{"differences", func(l fsck.Loss) string { return jsonText(l.Differences, len(l.Differences)) }},
}

// jsonText returns a value of n elements as JSON, and "" if n is 0.
func jsonText(value any, n int) string {
	if n == 0 {
		return ""
	}
	b, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

const scans = 3

// check prints the numbers of items by kind. It returns, and prints, the
// problems that every scan found.
func (f *tableCheck) check(ctx context.Context, scan scan, look look, pause time.Duration) (found []fsck.Problem, err error) {
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
			f.printCounts(counts)
			break
		}
		f.progress.Printf("scan %d: %d problems, perhaps of writes meanwhile; scanning again", n+1, len(found))
	}
	return found, printList(f.stdout, f.format, found, problemColumns)
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

func (f *tableCheck) printCounts(counts map[string]int) {
	total := 0
	for _, sort := range slices.Sorted(maps.Keys(counts)) {
		f.progress.Printf("%9d %s", counts[sort], sort)
		total += counts[sort]
	}
	f.progress.Printf("%9d items", total)
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
