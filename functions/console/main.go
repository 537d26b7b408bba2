// Command console is the Lambda function behind the hosted console's HTTP API. It serves
// the pages, signs people in with OpenID Connect, and calls Cadastre's API with the role
// of the person's class.
package main

import "github.com/cadastre-ipam/cadastre/shared/lambdakit"

func main() { lambdakit.Main(open) }
