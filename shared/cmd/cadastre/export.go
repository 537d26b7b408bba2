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
		newExportTerraform(s), newExportCloudFormation(s),
	)
	return c
}

func newExportTerraform(s *settings) *cobra.Command {
	var o migration.TerraformOptions
	c := newExportTo(s, "terraform", "a Terraform configuration", `as resources of Terraform's AWS provider, with an import
block for each object, so that the first apply takes the objects over. Settings that the
provider has no resource for are terraform_data resources that call the AWS CLI`,
		func(d *migration.Deployment, w io.Writer) error { return d.WriteTerraform(w, o) })
	c.Example = "  cadastre export terraform --file ipam.tf"
	c.Flags().BoolVar(&o.WithoutImport, "without-import", false, "leave the import blocks out, to make the objects of an empty deployment")
	return c
}

func newExportCloudFormation(s *settings) *cobra.Command {
	e := &exporting{deployment: deployment{settings: s}}
	var o migration.CloudFormationOptions
	var part int
	c := &cobra.Command{
		Use:   "cloudformation",
		Short: "Write CloudFormation templates",
		Long: `cloudformation writes the content of an IPAM as a CloudFormation template of Cadastre's
custom resources. A large IPAM has several templates, of which --part selects one; standard
error shows their number. Deploy them in this order: a later one imports values that an
earlier one exports.

The exit status is 1 if there are settings that no template can have, which it prints on
standard error.`,
		Example: "  cadastre export cloudformation --file ipam.template.json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var omitted []string
			err := e.run(c.Context(), c.OutOrStdout(), newProgress(c.ErrOrStderr()), func(d *migration.Deployment, w io.Writer) error {
				templates, left, err := d.CloudFormation(o)
				if err != nil {
					return err
				}
				if part < 1 || part > len(templates) {
					return misusef("--part is %d, and there are %d templates", part, len(templates))
				}
				omitted = left
				if n := len(templates); n > 1 {
					fmt.Fprintf(c.ErrOrStderr(), "part %d of %d\n", part, n)
				}
				_, err = w.Write(templates[part-1])
				return err
			})
			for _, s := range omitted {
				fmt.Fprintf(c.ErrOrStderr(), "not in the templates: %s\n", s)
			}
			if err == nil && len(omitted) > 0 {
				return errFound
			}
			return err
		},
	}
	e.addExport(c)
	c.Flags().BoolVar(&o.Amazon, "amazon", false, "write the types of Amazon VPC IPAM instead of Cadastre's")
	c.Flags().StringVar(&o.Prefix, "prefix", "cadastre-ipam", "`TEXT` with which the names of exports begin")
	c.Flags().IntVar(&part, "part", 1, "`NUMBER` of the template, of several")
	return c
}

// addExport adds the flags that all exports have.
func (e *exporting) addExport(c *cobra.Command) {
	e.add(c)
	c.Flags().StringVar(&e.file, "file", "", "`FILE` to write to; default: standard output")
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
	e.addExport(c)
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
