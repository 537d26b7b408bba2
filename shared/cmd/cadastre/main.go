// Command cadastre is Cadastre's command-line tool. Its commands:
//
//	cadastre console   serves the console's pages on this machine
//	cadastre export    writes the content of an IPAM
//	cadastre fsck      checks the invariants of a table
//	cadastre import    moves the content of an IPAM into Cadastre
//	cadastre model     writes the service model of the AWS CLI and boto3
//	cadastre proxy     serves tools that sign for EC2, such as Terraform
//
// The README beside this file describes the settings and the exit statuses, and
// `cadastre help COMMAND` each command. Every command is a file of its own with a
// function that returns the command, which newRoot adds.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
