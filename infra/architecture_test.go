package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// executable returns the header of an executable for the machine.
func executable(m elf.Machine) []byte {
	h := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(m),
		Version: uint32(elf.EV_CURRENT),
		Ehsize:  64,
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		panic(err) // a buffer never fails
	}
	return b.Bytes()
}

func TestArchitecture(t *testing.T) {
	for _, c := range []struct {
		name, architecture string
		file               []byte
		want               string
	}{
		{"arm64", "arm64", executable(elf.EM_AARCH64), ""},
		{"x86_64", "x86_64", executable(elf.EM_X86_64), ""},
		{"built for the host", "arm64", executable(elf.EM_X86_64), "built for EM_X86_64, and the deployment is for EM_AARCH64: run `make build ARCH=arm64`"},
		{"built for AWS", "x86_64", executable(elf.EM_AARCH64), "run `make build ARCH=amd64`"},
		{"a script", "arm64", []byte("#!/bin/sh\n"), "the function is not built, run `make build ARCH=arm64`"},
		{"absent", "arm64", nil, "the function is not built, run `make build ARCH=arm64`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bootstrap")
			if c.file != nil {
				if err := os.WriteFile(path, c.file, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			err := architectures[c.architecture].check(path)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want … %s …", err, c.want)
			}
		})
	}
}

// make deploy builds for arm64 on every host, and for another architecture if ARCH names
// it.
func TestMakeDeployBuildsFor(t *testing.T) {
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "ARCH=") || strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
	for _, target := range []string{"deploy", "bootstrap"} {
		for _, c := range []struct {
			name         string
			environment  []string
			arguments    []string
			architecture string
		}{
			{"by default", nil, nil, "arm64"},
			{"ARCH on the command line", nil, []string{"ARCH=amd64"}, "amd64"},
			{"ARCH in the environment", []string{"ARCH=amd64"}, nil, "amd64"},
		} {
			t.Run(target+" "+c.name, func(t *testing.T) {
				cmd := exec.Command("make", append([]string{"-C", "..", "--dry-run", "--always-make", target}, c.arguments...)...)
				cmd.Env = append(slices.Clone(environment), c.environment...)
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				built, called := strings.Count(string(out), "GOARCH="+c.architecture+" go build"), strings.Count(string(out), ".bin/cdk "+target)
				if all := strings.Count(string(out), "GOARCH="); built == 0 || built != all || called != 1 {
					t.Errorf("%d of %d functions are built for %s, and cdk %s is called %d times", built, all, c.architecture, target, called)
				}
			})
		}
	}
}
