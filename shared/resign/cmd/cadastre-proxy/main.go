// Cadastre-proxy lets tools that sign for EC2, such as Terraform, call Cadastre
// as they are:
//
//	cadastre-proxy -endpoint URL [-region REGION] [-listen 127.0.0.1:PORT] [-ec2-endpoint URL] [-any-key]
//
// It prints the line that sets AWS_ENDPOINT_URL_EC2 for the tools and serves
// until it is interrupted. Calls of IPAM actions, and of others that name an
// IPAM pool, go to Cadastre, all others to EC2; where each goes, and what keeps
// others from using the proxy, is told in the comment of package resign.
//
// It signs with the credentials that the AWS CLI would use, renewed as they
// expire, and calls the FIPS or dual-stack endpoints of EC2 where the AWS CLI would;
// it does not read AWS_ENDPOINT_URL_EC2. One record of each call goes to
// standard error. Its exit status is 0 when it was stopped, 1 if it could not
// serve, and 2 for wrong arguments.
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
	flags.StringVar(&c.Region, "region", "", "`Region` of the API, if the endpoint's host does not tell it")
	flags.StringVar(&c.EC2Endpoint, "ec2-endpoint", "", "`URL` of EC2, if not AWS's of the Region of each call")
	flags.BoolVar(&c.AnyKey, "any-key", false, "serve callers with other access keys than the proxy's own too: for session credentials of one user, on a machine with no other")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return stopped
	case err != nil:
		return misused
	case flags.NArg() > 0 || c.Endpoint == "":
		logger.Error("name Cadastre's API with -endpoint, and give nothing but flags; see -h")
		return misused
	}
	if err := serve(ctx, *listen, c, stdout); err != nil {
		logger.Error("not serving", "error", err.Error())
		return failed
	}
	return stopped
}

// endpoints tells which of EC2's endpoints the environment or the profile asks for,
// as AWS_USE_FIPS_ENDPOINT does. Tools in Go cannot have them asked for: their SDK
// refuses that beside the proxy's address.
func endpoints(cfg aws.Config) (fips, dualStack bool) {
	o := ec2.NewFromConfig(cfg).Options().EndpointOptions
	return o.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled, o.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled
}

// grace is how long calls under way may take once the proxy is to stop.
const grace = 30 * time.Second

// serve returns nil when ctx has ended and the calls under way too.
func serve(ctx context.Context, listen string, c resign.Config, stdout io.Writer) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion(cmp.Or(c.Region, client.APIRegion(c.Endpoint)))) // whose STS to ask, if the profile needs one
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return server.Shutdown(ctx)
}
