// Openapi writes the OpenAPI document of the JSON API, as GET /v1/openapi.json answers
// it. The console's types are generated from it.
//
//	openapi -o openapi.json
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/cadastre-ipam/cadastre/shared/ops"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("openapi: ")
	file := flag.String("o", "openapi.json", "`file` to write")
	server := flag.String("server", "/", "`URL` of the API")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is not a flag; see -h", flag.Arg(0))
	}
	if err := write(*file, *server); err != nil {
		log.Fatal(err)
	}
}

// write leaves a file alone that holds the document already, so that make builds nothing
// anew because of it.
func write(file, server string) error {
	document, err := ops.Describe(server, ops.New(nil, nil))
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, document) {
		return nil
	}
	if err := os.WriteFile(file, document, 0o644); err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return nil
}
