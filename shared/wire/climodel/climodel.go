// Package climodel makes the service model with which the AWS CLI and boto3 call
// Cadastre behind API Gateway: the operations of the API model that Cadastre has,
// signed for execute-api instead of ec2.
package climodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/model"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Service returns the contents of service-2.json, for `aws configure
// add-model`, with the named operations only.
func Service(operations []string) ([]byte, error) {
	api, source, err := model.Load()
	if err != nil {
		return nil, err
	}
	chosen, shapes := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	var add func(ref *model.Ref)
	add = func(ref *model.Ref) {
		if ref == nil || shapes[ref.Shape] != nil {
			return
		}
		shapes[ref.Shape] = source.Shapes[ref.Shape]
		s := api.Shapes[ref.Shape]
		add(s.Member)
		for _, m := range s.Members {
			add(&m.Ref)
		}
		for _, h := range s.Shorthands {
			add(&h.Ref)
		}
	}
	for _, name := range operations {
		o, ok := api.Operations[name]
		if !ok {
			return nil, fmt.Errorf("model %s: the API model has no such operation", name)
		}
		chosen[name] = source.Operations[name]
		add(o.Input)
		add(o.Output)
	}
	return indented(map[string]any{
		"version": "2.0",
		"metadata": map[string]any{
			"apiVersion":       wire.APIVersion,
			"auth":             []string{"aws.auth#sigv4"},
			"endpointPrefix":   wire.SigningName,
			"protocol":         "ec2",
			"protocols":        []string{"ec2"},
			"serviceFullName":  "Cadastre",
			"serviceId":        "Cadastre",
			"signatureVersion": "v4",
			"signingName":      wire.SigningName,
			"uid":              "cadastre-" + wire.APIVersion,
			"xmlNamespace":     "http://ec2.amazonaws.com/doc/" + wire.APIVersion,
		},
		"operations": chosen,
		"shapes":     shapes,
	})
}

// Paginators returns the contents of paginators-1.json, for the folder of the
// service model. With it the clients page through the named operations that
// answer in pages.
func Paginators(operations []string) ([]byte, error) {
	pagination := map[string]any{}
	for _, name := range operations {
		o, ok := schema.Lookup(name)
		if !ok {
			return nil, fmt.Errorf("paginate %s: the API model has no such operation", name)
		}
		if o.Output < 0 {
			continue
		}
		in, out := schema.At(o.Input).Members, schema.At(o.Output).Members
		named := func(name string) func(schema.Member) bool {
			return func(m schema.Member) bool { return m.Name == name }
		}
		list := slices.IndexFunc(out, func(m schema.Member) bool { return schema.At(int(m.Shape)).Kind == schema.List })
		if list < 0 || !slices.ContainsFunc(in, named("NextToken")) || !slices.ContainsFunc(in, named("MaxResults")) || !slices.ContainsFunc(out, named("NextToken")) {
			continue
		}
		pagination[name] = map[string]string{
			"input_token": "NextToken", "output_token": "NextToken", "limit_key": "MaxResults", "result_key": out[list].Name,
		}
	}
	return indented(map[string]any{"pagination": pagination})
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
