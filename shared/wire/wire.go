// Package wire holds the names that the clients of the API, its function and its
// descriptions share. The packages below it are the wire formats.
package wire

const (
	// APIVersion is the version of the EC2 API that requests name and answers are
	// in.
	APIVersion = "2016-11-15"

	// SigningName is the service that API Gateway expects in the scope of a
	// signature.
	SigningName = "execute-api"

	// RegionHeader is the request header with the Region that a caller acts for.
	// The signature's scope cannot carry it: API Gateway accepts signatures for its
	// own Region only.
	RegionHeader = "X-Cadastre-Region"

	// NextTokenHeader is the answer header with the NextToken of an answer in CSV.
	NextTokenHeader = "X-Next-Token"
)
