// Cadastre-proxy lets tools that sign for EC2, such as Terraform, call Cadastre
// without a change:
//
//	cadastre-proxy -endpoint URL [-region REGION] [-listen 127.0.0.1:PORT] [-ec2-endpoint URL] [-any-key]
//
// It prints the line that sets AWS_ENDPOINT_URL_EC2 for the tools and serves until
// it is interrupted. It sends calls of IPAM actions, and calls that name an IPAM pool,
// to Cadastre, and all others to EC2. The comment of package resign has the details,
// and the rules that keep other programs from using the proxy.
//
// It finds credentials, and the FIPS or dual-stack endpoints of EC2, as the AWS CLI
// does, and renews credentials that expire. It does not read AWS_ENDPOINT_URL_EC2. It
// writes one record of each call to standard error. The exit status is 0 after a
// signal, 1 if it could not serve, and 2 for wrong arguments.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/client"
	"github.com/cadastre-ipam/cadastre/shared/resign"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	stopped = iota
	failed
	misused
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	c := resign.Config{Logger: logger}
	flags := flag.NewFlagSet("cadastre-proxy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "loopback `address` to listen on; port 0 is any free one")
	flags.StringVar(&c.Endpoint, "endpoint", "", "`URL` of Cadastre's API, with the stage")
	flags.StringVar(&c.Region, "region", "", "`Region` of the API, if the endpoint's host name does not contain it")
	flags.StringVar(&c.EC2Endpoint, "ec2-endpoint", "", "`URL` of EC2 for all calls; default: AWS's of the Region of each call")
	flags.BoolVar(&c.AnyKey, "any-key", false, "verify no signatures: every program that reaches the port calls AWS as the proxy; for session credentials, on a machine where you trust all programs")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return stopped
	case err != nil:
		return misused
	case flags.NArg() > 0 || c.Endpoint == "":
		logger.Error("give the URL of Cadastre's API with -endpoint, and no arguments other than flags; see -h")
		return misused
	}
	if err := serve(ctx, *listen, c, stdout); err != nil {
		logger.Error("not serving", "error", err.Error())
		return failed
	}
	return stopped
}

// endpoints reports whether the environment or the profile asks for the FIPS or the
// dual-stack endpoints of EC2, for example by AWS_USE_FIPS_ENDPOINT. Tools in Go
// cannot ask for them: their SDK refuses that together with the proxy's address.
func endpoints(cfg aws.Config) (fips, dualStack bool) {
	o := ec2.NewFromConfig(cfg).Options().EndpointOptions
	return o.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled, o.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled
}

// gracePeriod is the time for calls under way after the proxy got a signal.
const gracePeriod = 30 * time.Second

// serve returns nil when ctx and the calls under way have ended.
func serve(ctx context.Context, listen string, c resign.Config, stdout io.Writer) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion(cmp.Or(c.Region, client.APIRegion(c.Endpoint)))) // the Region of STS, if the profile needs it
	if err != nil {
		return err
	}
	c.Credentials = cfg.Credentials
	c.FIPS, c.DualStack = endpoints(cfg)
	proxy, err := resign.New(c)
	if err != nil {
		return err
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("no credentials to sign with: %w", err)
	}
	listener, err := resign.Listen(listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "export AWS_ENDPOINT_URL_EC2=http://%s\n", listener.Addr()); err != nil {
		return err
	}
	server := &http.Server{
		Handler:           proxy,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	c.Logger.Info("listening", "address", listener.Addr().String(), "endpoint", c.Endpoint)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	c.Logger.Info("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	return server.Shutdown(ctx)
}
