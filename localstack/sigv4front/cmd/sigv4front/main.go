// Command sigv4front serves a bootstrap binary behind a front that verifies
// signatures, on DynamoDB Local, until a signal or the end of its standard input. It
// prints the address of the API as one line.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/cadastre-ipam/cadastre/localstack/sigv4front"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/lambdaruntime"
	"github.com/cadastre-ipam/cadastre/localstack/sigv4front/localtable"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sigv4front:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var keys []sigv4front.Key
	listen := flag.String("listen", "127.0.0.1:0", "`address` to serve on")
	region := flag.String("region", "us-east-1", "the API's own `Region`")
	binary := flag.String("bootstrap", "", "`path` of the function's binary")
	dynamo := flag.String("dynamodb", os.Getenv("CADASTRE_DYNAMODB_LOCAL_URL"), "`URL` of DynamoDB Local")
	table := flag.String("table", "front", "`name` of the table to create and serve")
	instances := flag.Int("instances", 4, "`number` of the function's processes")
	grants := flag.String("grants", "", "the deployer's grants as `JSON`; default: none")
	flag.Func("key", "`ID,secret,account,ARN` of a principal; may be repeated", func(s string) error {
		part := strings.SplitN(s, ",", 4)
		if len(part) != 4 {
			return fmt.Errorf("%d parts instead of 4", len(part))
		}
		keys = append(keys, sigv4front.Key{AccessKeyID: part[0], Secret: part[1], Account: part[2], ARN: part[3]})
		return nil
	})
	flag.Parse()
	if *binary == "" || *dynamo == "" || len(keys) == 0 {
		return fmt.Errorf("-bootstrap, -dynamodb and at least one -key are needed")
	}
	client := localtable.Client(*dynamo)
	if err := localtable.Create(ctx, client, *table); err != nil {
		return err
	}
	defer func() { _ = localtable.Drop(context.WithoutCancel(ctx), client, *table) }()
	function, err := lambdaruntime.Start(ctx, lambdaruntime.Config{
		Binary:    *binary,
		Env:       sigv4front.FunctionEnv(*region, *dynamo, *table, keys[0].Account, *grants),
		Instances: *instances,
		Log:       os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() { _ = function.Close() }()
	if err := function.Ready(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: &sigv4front.Front{
		Verifier: &sigv4front.Verifier{Region: *region, Keys: keys},
		Invoke:   function.Invoke,
	}}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the program that started this has ended
		server.Close()
	}()
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	fmt.Printf("http://%s/%s\n", listener.Addr(), sigv4front.Stage)
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
