package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

func TestModelHasTheOperationsThatAreBuilt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	if err := writeModel(ops.New(nil, nil), io.Discard, file, ""); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Operations map[string]json.RawMessage }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CreateIpam", "AllocateIpamPoolCidr", "DescribeTags"} {
		if got.Operations[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestWriteModel(t *testing.T) {
	r := registry.New(nil)
	service, paginators := filepath.Join(t.TempDir(), "s.json"), filepath.Join(t.TempDir(), "p.json")
	if err := writeModel(r, io.Discard, service, paginators); err == nil {
		t.Error("an empty registry: no error")
	}
	registry.Define(r, "DescribeIpams", registry.Meta{Class: registry.Read}, func(context.Context, *ec2.DescribeIpamsInput) (*ec2.DescribeIpamsOutput, error) { return nil, nil })
	registry.Define(r, "PutOwnThing", registry.Meta{Class: registry.Read}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	if err := writeModel(r, io.Discard, service, paginators); err != nil {
		t.Fatal(err)
	}
	for file, key := range map[string]string{service: "operations", paginators: "pagination"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		var names map[string]any
		if err := json.Unmarshal(got[key], &names); err != nil || len(names) != 1 || names["DescribeIpams"] == nil {
			t.Errorf("%s holds %v, %v; want DescribeIpams only", key, names, err)
		}
	}
	if err := writeModel(r, io.Discard, filepath.Join(t.TempDir(), "no", "such", "folder"), ""); err == nil {
		t.Error("a folder that is not there: no error")
	}
}

// Without a file the model is the only text on standard output.
func TestModelOnStandardOutput(t *testing.T) {
	environment(t, "")
	file := filepath.Join(t.TempDir(), "s.json")
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"model", "--file", file}, &stdout, &stderr); status != statusDone || stdout.Len()+stderr.Len() > 0 {
		t.Fatalf("exit status %d, %s%s", status, &stdout, &stderr)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if status := run(t.Context(), []string{"model"}, &stdout, &stderr); status != statusDone || stdout.String() != string(want) || stderr.Len() > 0 {
		t.Errorf("exit status %d, %d bytes, and the file has %d; %s", status, stdout.Len(), len(want), &stderr)
	}
	if status := run(t.Context(), []string{"model", "--file", filepath.Join(file, "below")}, &stdout, &stderr); status != statusFailed {
		t.Errorf("a file that cannot be written: exit status %d", status)
	}
}
