// Climodel writes the service model by which the AWS CLI and boto3 call
// Cadastre, with the operations that the registry holds:
//
//	climodel -o service-2.json
//	aws configure add-model --service-name cadastre --service-model file://service-2.json
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/climodel"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("climodel: ")
	service := flag.String("o", "service-2.json", "`file` to write the service model to")
	paginators := flag.String("paginators", "", "`file` to write the paginators to, paginators-1.json beside the installed model; none if empty")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is not a flag; see -h", flag.Arg(0))
	}
	if err := write(ops.New(nil, nil), *service, *paginators); err != nil {
		log.Fatal(err)
	}
}

// write omits the operations that the API model does not have.
func write(operations *registry.Registry, service, paginators string) error {
	var names []string
	for _, o := range operations.Operations() {
		if _, ok := schema.Lookup(o.Name); ok {
			names = append(names, o.Name)
		}
	}
	if names == nil {
		return errors.New("the registry holds no operation of the EC2 IPAM API: there is nothing to write")
	}
	for _, f := range []struct {
		name string
		make func([]string) ([]byte, error)
	}{{service, climodel.Service}, {paginators, climodel.Paginators}} {
		if f.name == "" {
			continue
		}
		b, err := f.make(names)
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.name, b, 0o644); err != nil {
			return fmt.Errorf("write the model: %w", err)
		}
	}
	return nil
}
