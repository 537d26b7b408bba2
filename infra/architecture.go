package main

import (
	"debug/elf"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
)

// architecture is an instruction set on which Lambda runs functions.
type architecture struct {
	cdk     func() awslambda.Architecture
	machine elf.Machine
	goarch  string
}

// architectures maps Lambda's names to architectures.
var architectures = map[string]architecture{
	"arm64":  {awslambda.Architecture_ARM_64, elf.EM_AARCH64, "arm64"},
	"x86_64": {awslambda.Architecture_X86_64, elf.EM_X86_64, "amd64"},
}

// check returns an error unless the file at path is an executable for the
// architecture. Lambda accepts any file, and fails when it starts the function.
func (a architecture) check(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("the function is not built, run `make build ARCH=%s`: %w", a.goarch, err)
	}
	defer f.Close() //nolint:errcheck // the file is only read
	if f.Machine != a.machine {
		return fmt.Errorf("%s is built for %s, and the deployment is for %s: run `make build ARCH=%s`, or set the context's architecture", path, f.Machine, a.machine, a.goarch)
	}
	return nil
}
