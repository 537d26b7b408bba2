package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/shared/migration"
)

// exporting is one run of a command that exports.
type exporting struct {
	deployment
	file string
}

func newExport(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the content of an IPAM, to leave or to move",
		Long: `export writes the settings of the IPAM, its scopes, pools, CIDRs and shares, and all custom
allocations. Each format is a command below this one. Allocations of VPCs and other
resources are not written: discovery makes them again wherever the resources are.

An export that is imported into an empty deployment gives the same export again.`,
		Example: "  cadastre export json --file ipam.json",
		Args:    cobra.ArbitraryArgs,
		RunE:    needsCommand,
	}
	c.AddCommand(
		newExportTo(s, "csv", "CSV, for spreadsheets", "as CSV (RFC 4180), one line for each scope, pool and allocation", func(d *migration.Deployment, w io.Writer) error { return d.WriteCSV(w) }),
		newExportTo(s, "json", "JSON, for programs", "as JSON", func(d *migration.Deployment, w io.Writer) error { return d.WriteJSON(w) }),
	)
	return c
}

func newExportTo(s *settings, format, short, long string, write func(*migration.Deployment, io.Writer) error) *cobra.Command {
	e := &exporting{deployment: deployment{settings: s}}
	c := &cobra.Command{
		Use:     format,
		Short:   "Write " + short,
		Long:    format + " writes the content of an IPAM " + long + ".",
		Example: "  cadastre export " + format + " --file ipam." + format,
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return e.run(c.Context(), c.OutOrStdout(), newProgress(c.ErrOrStderr()), write)
		},
	}
	e.add(c)
	c.Flags().StringVar(&e.file, "file", "", "`FILE` to write to; default: standard output")
	return c
}

func (e *exporting) run(ctx context.Context, stdout io.Writer, p *progress, write func(*migration.Deployment, io.Writer) error) (err error) {
	api, err := e.open(ctx)
	if err != nil {
		return err
	}
	d, err := api.Read(ctx, e.ipam, e.parallel, p.show("pools read"))
	if err != nil {
		return err
	}
	if d.IPAM == nil {
		return errors.New("the account has no IPAM")
	}
	if e.file == "" {
		return write(d, stdout)
	}
	f, err := os.Create(e.file)
	if err != nil {
		return misuse{err}
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = fmt.Errorf("write the export: %w", closed)
		}
	}()
	return write(d, f)
}
