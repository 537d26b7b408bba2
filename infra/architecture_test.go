package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// executable returns the head of an executable for the machine.
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
		panic(err) // a buffer takes all
	}
	return b.Bytes()
}

func TestArchitecture(t *testing.T) {
	for _, c := range []struct {
		name, architecture string
		file               []byte
		want               string
	}{
		{"arm64 as asked", "arm64", executable(elf.EM_AARCH64), ""},
		{"x86_64 as asked", "x86_64", executable(elf.EM_X86_64), ""},
		{"built for the host", "arm64", executable(elf.EM_X86_64), "built for EM_X86_64 and is to be deployed for EM_AARCH64: run `make build ARCH=arm64`"},
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
