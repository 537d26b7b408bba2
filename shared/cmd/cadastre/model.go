package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/climodel"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

func newModel() *cobra.Command {
	var file, paginators string
	c := &cobra.Command{
		Use:   "model",
		Short: "Write the service model of the AWS CLI and boto3",
		Long: `model writes the service model by which the AWS CLI and boto3 call Cadastre, with all
operations. It calls no service.

The AWS CLI installs the model with ` + "`aws configure add-model`" + `. It reads paginators from
the file paginators-1.json beside the installed model, ~/.aws/models/cadastre/2016-11-15.`,
		Example: `  cadastre model --file service-2.json
  aws configure add-model --service-name cadastre --service-model file://service-2.json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return writeModel(ops.New(nil, nil), c.OutOrStdout(), file, paginators)
		},
	}
	c.Flags().StringVar(&file, "file", "", "`FILE` to write the service model to; default: standard output")
	c.Flags().StringVar(&paginators, "paginators", "", "`FILE` to write the paginators to; default: none are written")
	return c
}

// writeModel writes the service model into a file, or to stdout if the file has no name,
// and the paginators into theirs. It omits the operations that the API model does not
// have.
func writeModel(operations *registry.Registry, stdout io.Writer, file, paginators string) error {
	var names []string
	for _, o := range operations.Operations() {
		if _, ok := schema.Lookup(o.Name); ok {
			names = append(names, o.Name)
		}
	}
	if names == nil {
		return errors.New("the registry holds no operation of the EC2 IPAM API: there is nothing to write")
	}
	service, err := climodel.Service(names)
	if err != nil {
		return err
	}
	if file == "" {
		_, err = stdout.Write(service)
	} else {
		err = os.WriteFile(file, service, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	if paginators == "" {
		return nil
	}
	pages, err := climodel.Paginators(names)
	if err != nil {
		return err
	}
	if err := os.WriteFile(paginators, pages, 0o644); err != nil {
		return fmt.Errorf("write the paginators: %w", err)
	}
	return nil
}
