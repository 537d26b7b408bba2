package main

import "github.com/cadastre-ipam/cadastre/shared/lambdakit"

func main() { lambdakit.Main(open) }
