package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ram"
	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/migration"
	"github.com/cadastre-ipam/cadastre/shared/migration/amazon"
	"github.com/cadastre-ipam/cadastre/shared/migration/netbox"
)

// importing is one run of a command that imports.
type importing struct {
	deployment
	apply      bool
	skipFaulty bool
	role       string
	stdout     io.Writer
	stderr     io.Writer
}

const importSteps = `Without --apply it changes nothing: it prints each line that cannot be taken as it is, with
the obstacle and the next step, and on standard error the number of steps that it would do.
With --apply it does the steps. It refuses while there is a finding, unless --skip-faulty
leaves these lines out. It changes and removes nothing that the deployment has. After a
break, repeat the command: it does only the steps that are left, and nothing twice.

The exit status is 1 if there are findings.`

func newImport(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Move the content of an IPAM into Cadastre",
		Long: `import makes the deployment have the scopes, pools, CIDRs, shares and allocations of another
place. Each kind of place is a command below this one.

` + importSteps,
		Example: "  cadastre import csv networks.csv\n  cadastre import csv networks.csv --apply",
		Args:    cobra.ArbitraryArgs,
		RunE:    needsCommand,
	}
	c.AddCommand(newImportCSV(s), newImportJSON(s), newImportNetBox(s), newImportAmazon(s))
	return c
}

// needsCommand is the work of a command that has commands only.
func needsCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(c, args[0])
	}
	return c.Help()
}

// oneFile refuses any number of arguments but one.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misusef("name one file, or - for standard input")
	}
	return nil
}

// addImport adds the flags that all imports have.
func (i *importing) addImport(c *cobra.Command) {
	i.add(c)
	i.settings.addOutput(c)
	c.Flags().BoolVar(&i.apply, "apply", false, "do the steps")
	c.Flags().BoolVar(&i.skipFaulty, "skip-faulty", false, "with --apply, leave out the lines with findings")
	c.Flags().StringVar(&i.role, "role", "", "`NAME` of a role in the accounts that are to own allocations; default: only the caller's account may own any")
	check := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if i.skipFaulty && !i.apply {
			return misusef("--skip-faulty goes with --apply")
		}
		i.stdout, i.stderr = c.OutOrStdout(), c.ErrOrStderr()
		if check != nil {
			return check(c, args)
		}
		return nil
	}
}

func newImportCSV(s *settings) *cobra.Command {
	i := &importing{deployment: deployment{settings: s}}
	var mapping string
	c := &cobra.Command{
		Use:   "csv FILE",
		Short: "Import a CSV file, such as a spreadsheet's",
		Long: `csv imports a CSV file. The first line names the columns, in any order: cidr, pool, scope,
description, account, tags, and others that the README of shared/migration lists. A mapping
file names the columns of a file with other headers.

` + importSteps,
		Example: "  cadastre import csv networks.csv --mapping mapping.yaml\n  cadastre import csv networks.csv --mapping mapping.yaml --apply",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			var m migration.Mapping
			if mapping != "" {
				b, err := os.Open(mapping)
				if err != nil {
					return misuse{err}
				}
				defer func() { _ = b.Close() }() // only read
				if m, err = migration.ReadMapping(b); err != nil {
					return misusef("%s: %w", mapping, err)
				}
			}
			return i.file(c.Context(), c.InOrStdin(), args[0], func(r io.Reader) (*migration.Document, []migration.Finding, error) { return migration.ReadCSV(r, m) })
		},
	}
	c.Flags().StringVar(&mapping, "mapping", "", "`FILE` that maps the columns")
	i.addImport(c)
	return c
}

func newImportJSON(s *settings) *cobra.Command {
	i := &importing{deployment: deployment{settings: s}}
	c := &cobra.Command{
		Use:   "json FILE",
		Short: "Import a JSON file that export made, or another program",
		Long: `json imports a file of the form that "cadastre export json" writes.

` + importSteps,
		Example: "  cadastre import json ipam.json\n  cadastre import json ipam.json --apply",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			return i.file(c.Context(), c.InOrStdin(), args[0], func(r io.Reader) (*migration.Document, []migration.Finding, error) {
				d, err := migration.ReadJSON(r)
				return d, nil, err
			})
		},
	}
	i.addImport(c)
	return c
}

func newImportNetBox(s *settings) *cobra.Command {
	i := &importing{deployment: deployment{settings: s}}
	var o netbox.Options
	var address, tokenFile string
	var top []string
	c := &cobra.Command{
		Use:   "netbox",
		Short: "Import the prefixes of a NetBox",
		Long: `netbox imports the prefixes of a NetBox by its REST API. Each VRF becomes a scope.
Aggregates, containers, and prefixes with others in them become pools; all other prefixes
become allocations. Role, tenant, site, VLAN, status, tags and custom fields become tags.
The line of a finding is the id of the object in NetBox.

The token is in the file of --token-file, or else in NETBOX_TOKEN. It needs the permission to
view prefixes, aggregates and VRFs.

` + importSteps,
		Example: "  cadastre import netbox --url https://netbox.example.com --locale-field aws_region\n  cadastre import netbox --url https://netbox.example.com --locale-field aws_region --apply",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if u, err := url.Parse(address); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return misusef("give NetBox's URL, such as https://netbox.example.com, with --url")
			}
			for _, text := range top {
				p, err := ipam.ParseCIDR("--top", text)
				if err != nil {
					return misuse{err}
				}
				o.Top = append(o.Top, p)
			}
			token := os.Getenv("NETBOX_TOKEN")
			if tokenFile != "" {
				b, err := os.ReadFile(tokenFile)
				if err != nil {
					return misuse{err}
				}
				token = strings.TrimSpace(string(b))
			}
			if token == "" {
				return misusef("give NetBox's token with --token-file or NETBOX_TOKEN")
			}
			source := &netbox.Client{URL: address, Token: token, Client: &http.Client{Timeout: time.Minute}, Progress: newProgress(i.stderr).show("prefixes read")}
			d, err := source.Read(c.Context(), o)
			if err != nil {
				return err
			}
			return i.run(c.Context(), d, nil)
		},
	}
	c.Flags().StringVar(&address, "url", "", "`URL` of NetBox, without /api")
	c.Flags().StringVar(&tokenFile, "token-file", "", "`FILE` with the token; default: the token is in NETBOX_TOKEN")
	c.Flags().StringVar(&o.GlobalScope, "scope", migration.PrivateScope, "`NAME` of the scope for prefixes without a VRF")
	c.Flags().StringSliceVar(&top, "top", nil, "`CIDR` of a top-level pool for prefixes that no aggregate or container has; several with commas")
	c.Flags().StringVar(&o.AccountField, "account-field", "", "custom `FIELD` with the account that is to own an allocation")
	c.Flags().StringVar(&o.LocaleField, "locale-field", "", "custom `FIELD` with the locale of a pool")
	i.addImport(c)
	return c
}

func newImportAmazon(s *settings) *cobra.Command {
	i := &importing{deployment: deployment{settings: s}}
	from := &settings{}
	var id string
	var compare bool
	c := &cobra.Command{
		Use:   "amazon",
		Short: "Import an Amazon VPC IPAM, or compare it with Cadastre",
		Long: `amazon imports an Amazon VPC IPAM by its own API, and the shares of its pools by AWS RAM's: the
IPAM with its Regions, scopes, pools with rules and tags, CIDRs, custom allocations, shares
and excluded organizational units, and which VPCs are ignored or moved. It only reads there.
The allocations of VPCs are left to discovery. A finding of the kind unsupported reports
something that the IPAM has and an import does not make.

With --compare it changes nothing, and lists the differences between the IPAM and Cadastre,
also in the statuses of VPCs and subnets. The list is empty when Cadastre can replace the
IPAM. The exit status is 1 if it is not.

` + importSteps,
		Example: "  cadastre import amazon --from-region eu-west-1 --apply\n  cadastre import amazon --from-region eu-west-1 --compare",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if compare && i.apply {
				return misusef("--compare changes nothing, so it does not go with --apply")
			}
			if from.profile == "" {
				from.profile = s.profile
			}
			source, err := openAmazon(c.Context(), from)
			if err != nil {
				return err
			}
			p := newProgress(i.stderr)
			source.IPAM, source.Parallel, source.Progress = id, i.parallel, p.show("pools of Amazon's read")
			d, findings, err := source.Read(c.Context())
			if err != nil {
				return err
			}
			if compare {
				return i.compare(c.Context(), d)
			}
			return i.run(c.Context(), &d.Document, findings)
		},
	}
	c.Flags().StringVar(&from.profile, "from-profile", "", "`PROFILE` with the credentials for the IPAM; default: that of --profile")
	c.Flags().StringVar(&from.region, "from-region", "", "home `REGION` of the IPAM; default: that of the profile")
	c.Flags().StringVar(&id, "from-ipam", "", "`ID` of the IPAM in Amazon VPC IPAM; default: the only one")
	c.Flags().BoolVar(&compare, "compare", false, "list the differences")
	i.addImport(c)
	return c
}

// openAmazon returns the reader of the Amazon VPC IPAM of the settings.
func openAmazon(ctx context.Context, from *settings) (*amazon.Source, error) {
	var options []func(*config.LoadOptions) error
	if from.region != "" {
		options = append(options, config.WithRegion(from.region))
	}
	options = append(options, config.WithRetryMode(aws.RetryModeAdaptive), config.WithRetryMaxAttempts(attempts))
	cfg, err := from.loadAWS(ctx, "", options...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, misusef("give the home Region of the IPAM with --from-region")
	}
	return &amazon.Source{EC2: ec2.NewFromConfig(cfg), RAM: ram.NewFromConfig(cfg)}, nil
}

// compare lists the differences between a deployment and Cadastre's.
func (i *importing) compare(ctx context.Context, source *migration.Deployment) error {
	api, err := i.open(ctx)
	if err != nil {
		return err
	}
	d, err := api.Read(ctx, i.ipam, i.parallel, newProgress(i.stderr).show("pools of Cadastre read"))
	if err != nil {
		return err
	}
	differences := migration.Compare(source, d)
	err = printList(i.stdout, i.settings.output, differences, []column[migration.Difference]{
		{"object", func(x migration.Difference) string { return x.Object }},
		{"amazon", func(x migration.Difference) string { return x.A }},
		{"cadastre", func(x migration.Difference) string { return x.B }},
	})
	fmt.Fprintf(i.stderr, "%9d differences\n", len(differences))
	if err == nil && len(differences) > 0 {
		err = errFound
	}
	return err
}

// file imports a file; - is standard input.
func (i *importing) file(ctx context.Context, stdin io.Reader, name string, read func(io.Reader) (*migration.Document, []migration.Finding, error)) error {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return misuse{err}
		}
		defer func() { _ = f.Close() }() // only read
		r = f
	}
	d, findings, err := read(r)
	if err != nil {
		return misusef("%s: %w", name, err)
	}
	return i.run(ctx, d, findings)
}

// run plans the import of a document and, with --apply, does it. found are the findings
// of the document's reader.
func (i *importing) run(ctx context.Context, d *migration.Document, found []migration.Finding) error {
	api, err := i.open(ctx)
	if err != nil {
		return err
	}
	others, err := i.as(ctx, i.role)
	if err != nil {
		return err
	}
	p := newProgress(i.stderr)
	importer := &migration.Importer{
		API: api, For: others, Parallel: i.parallel, Progress: p.show("steps"),
		Read: func(ctx context.Context) (*migration.Deployment, error) {
			return api.Read(ctx, i.ipam, i.parallel, p.show("pools read"))
		},
	}
	plan, err := importer.Plan(ctx, d)
	if err != nil {
		return err
	}
	findings := append(slices.Clone(found), plan.Findings...)
	if !i.apply || len(findings) > 0 && !i.skipFaulty {
		i.summarize(plan)
		return i.report(findings)
	}
	result, err := importer.Import(ctx, d)
	fmt.Fprintf(i.stderr, "%d steps done; the deployment had %d objects of the document already.\n", result.Done, result.Present)
	if reported := i.report(append(slices.Clone(found), result.Findings...)); err == nil {
		err = reported
	}
	if err != nil && len(result.Findings) == 0 {
		return fmt.Errorf("%w\nRepeat the command to go on", err)
	}
	return err
}

// summarize prints the numbers of a plan's steps.
func (i *importing) summarize(plan *migration.Plan) {
	counts := map[string]int{}
	for _, s := range plan.Steps {
		counts[s.Operation]++
	}
	fmt.Fprintf(i.stderr, "%9d objects that the deployment has already\n", plan.Present)
	for _, operation := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(i.stderr, "%9d %s\n", counts[operation], operation)
	}
	fmt.Fprintf(i.stderr, "%9d steps\n", len(plan.Steps))
}

// report prints findings, and returns errFound if there are any.
func (i *importing) report(findings []migration.Finding) error {
	slices.SortStableFunc(findings, func(a, b migration.Finding) int { return a.Line - b.Line })
	err := printList(i.stdout, i.settings.output, findings, []column[migration.Finding]{
		{"line", func(f migration.Finding) string {
			if f.Line == 0 {
				return ""
			}
			return strconv.Itoa(f.Line)
		}},
		{"kind", func(f migration.Finding) string { return string(f.Kind) }},
		{"object", func(f migration.Finding) string { return f.Object }},
		{"message", func(f migration.Finding) string { return f.Message }},
		{"next", func(f migration.Finding) string { return f.Next }},
	})
	if err == nil && len(findings) > 0 {
		fmt.Fprintf(i.stderr, "%9d findings\n", len(findings))
		err = errFound
	}
	return err
}
