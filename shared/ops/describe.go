package ops

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/wire/openapi"
)

// Describe returns the OpenAPI document of all operations of a registry, for an API at
// the URL server.
func Describe(server string, r *registry.Registry) ([]byte, error) {
	var described []openapi.Operation
	for _, o := range r.Operations() {
		described = append(described, openapi.Operation{
			Name: o.Name, Summary: o.Summary, Class: o.Class.String(), Mutates: o.Mutates, Paginated: o.Paginated, Idempotent: o.Idempotent,
			CSV: o.OutType == reflect.TypeFor[ec2.GetIpamAddressHistoryOutput](),
		})
	}
	return openapi.Document(server, described)
}
