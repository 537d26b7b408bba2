// Package openapi makes the OpenAPI document of the JSON API from the table of
// package schema.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/cadastre-ipam/cadastre/shared/wire"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Operation is an operation to describe. The API model must have its Name.
type Operation struct {
	Name       string
	Summary    string
	Class      string // the class that a caller needs
	Mutates    bool
	Paginated  bool
	Idempotent bool
	CSV        bool // answers CSV too, with the NextToken in the header [wire.NextTokenHeader]
}

type object = map[string]any

// Document returns the OpenAPI 3.0 document of the operations at the URL server.
// Equal arguments give equal documents.
func Document(server string, operations []Operation) ([]byte, error) {
	c := components{
		"Error": object{
			"type": "object", "required": []string{"Code", "Message", "RequestId"},
			"properties": object{
				"Code":      object{"type": "string", "description": "The error code, as in the EC2 API."},
				"Message":   object{"type": "string", "description": "The fault and the next step."},
				"RequestId": object{"type": "string"},
			},
		},
		"Success": object{"type": "object", "required": []string{"Return"}, "properties": object{"Return": object{"type": "boolean"}}},
	}
	paths := object{}
	for _, o := range operations {
		model, ok := schema.Lookup(o.Name)
		if !ok {
			return nil, fmt.Errorf("describe %s: the API model has no such operation", o.Name)
		}
		input := schema.At(model.Input)
		c.structure(input)
		c[input.Name].(object)["additionalProperties"] = false
		answer := "Success"
		if model.Output >= 0 {
			answer = schema.At(model.Output).Name
			c.structure(schema.At(model.Output))
		}
		success := object{"description": "The operation's result.", "headers": requestID, "content": content(answer)}
		if o.CSV {
			success["content"].(object)["text/csv"] = object{"schema": object{"type": "string"}}
			success["headers"] = object{wire.NextTokenHeader: object{"description": "The NextToken of an answer in CSV.", "schema": object{"type": "string"}}}
			maps.Copy(success["headers"].(object), requestID)
		}
		paths["/v1/"+o.Name] = object{"post": object{
			"operationId": o.Name,
			"summary":     o.Summary,
			"description": describe(o),
			"parameters":  []object{reference("parameters", "Region")},
			"requestBody": object{"required": len(required(input)) > 0, "content": content(input.Name)},
			"responses": object{
				"200":     success,
				"default": object{"description": "The request was refused or failed.", "headers": requestID, "content": content("Error")},
			},
			"x-cadastre-class": o.Class,
		}}
	}
	return json.Marshal(object{
		"openapi": "3.0.3",
		"info": object{
			"title": "Cadastre", "version": "v1",
			"description": "IP address management with the operations of the EC2 IPAM API. Requests are signed with Signature Version 4 for the service execute-api.",
		},
		"servers":  []object{{"url": server}},
		"security": []object{{"sigv4": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": c,
			"parameters": object{"Region": object{
				"name": wire.RegionHeader, "in": "header",
				"description": "The Region that the caller acts for, if it is not the Region of the signature. Pools with a locale check it.",
				"schema":      object{"type": "string", "example": "ap-northeast-1"},
			}},
			"securitySchemes": object{"sigv4": object{
				"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4",
				"description": "AWS Signature Version 4 for the service execute-api.",
			}},
		},
	})
}

var requestID = object{"X-Request-Id": object{"description": "The request's id.", "schema": object{"type": "string"}}}

func describe(o Operation) string {
	text := "Reads only."
	if o.Mutates {
		text = "Changes objects."
	}
	text += " Needs the class " + o.Class + "."
	if o.Paginated {
		text += " Answers in pages: pass NextToken on until an answer has none."
	}
	if o.Idempotent {
		text += " A repeated request with the same ClientToken gets the first one's answer."
	}
	return text
}

func content(name string) object {
	return object{"application/json": object{"schema": reference("schemas", name)}}
}

func reference(kind, name string) object {
	return object{"$ref": "#/components/" + kind + "/" + name}
}

func required(s *schema.Shape) []string {
	var names []string
	for _, m := range s.Members {
		if m.Required {
			names = append(names, m.Name)
		}
	}
	return names
}

// components maps the name of each structure to its schema.
type components map[string]any

func (c components) structure(s *schema.Shape) {
	if _, done := c[s.Name]; done {
		return
	}
	properties := object{}
	o := object{"type": "object", "properties": properties}
	c[s.Name] = o
	for _, m := range s.Members {
		properties[m.Name] = c.of(schema.At(int(m.Shape)))
	}
	for _, h := range s.Shorthands {
		o := c.of(schema.At(int(h.Shape)))
		o["description"] = h.Doc
		properties[h.Name] = o
	}
	if r := required(s); r != nil {
		o["required"] = r
	}
}

// of returns the schema of a shape. A structure's is a reference.
func (c components) of(s *schema.Shape) object {
	switch s.Kind {
	case schema.Structure:
		c.structure(s)
		return reference("schemas", s.Name)
	case schema.List:
		o := object{"type": "array", "items": c.of(schema.At(int(s.Elem)))}
		if s.Ranged {
			o["minItems"], o["maxItems"] = s.Min, s.Max
		}
		return o
	case schema.String:
		o := object{"type": "string"}
		if s.Enum != nil {
			o["enum"] = s.Enum
		}
		if s.Ranged {
			o["minLength"], o["maxLength"] = s.Min, s.Max
		}
		return o
	case schema.Boolean:
		return object{"type": "boolean"}
	case schema.Timestamp:
		return object{"type": "string", "format": "date-time"}
	case schema.Double:
		return object{"type": "number", "format": "double"}
	}
	o := object{"type": "integer", "format": map[schema.Kind]string{schema.Integer: "int32", schema.Long: "int64"}[s.Kind]}
	if s.Ranged {
		o["minimum"], o["maximum"] = s.Min, s.Max
	}
	return o
}
