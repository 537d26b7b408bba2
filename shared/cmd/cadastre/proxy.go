package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/shared/loopback"
	"github.com/cadastre-ipam/cadastre/shared/resign"
)

func newProxy(s *settings) *cobra.Command {
	var config resign.Config
	var listen string
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Serve tools that sign for EC2, such as Terraform",
		Long: `proxy lets tools that sign for EC2 call Cadastre without a change. It prints the line that
sets AWS_ENDPOINT_URL_EC2 for the tools and serves until it is interrupted. It sends calls
of IPAM actions, and calls that name an IPAM pool, to Cadastre, and all others to EC2. It
signs each call anew.

It listens on loopback only, and verifies each request's signature with its own
credentials: give the proxy and the tools the same profile.

It finds the FIPS or dual-stack endpoints of EC2 as the AWS CLI does, and renews
credentials that expire. It does not read AWS_ENDPOINT_URL_EC2. It writes one record of
each call to standard error.`,
		Example: `  cadastre proxy --endpoint https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod --listen 127.0.0.1:8181
  export AWS_ENDPOINT_URL_EC2=http://127.0.0.1:8181   # for the tools`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.needEndpoint(); err != nil {
				return err
			}
			config.Endpoint, config.Region, config.Logger = s.endpoint, s.region, newLogger(c)
			return serveProxy(c.Context(), s, listen, config, c.OutOrStdout())
		},
	}
	s.addEndpoint(c)
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` to listen on; port 0 is any free one")
	c.Flags().StringVar(&config.EC2Endpoint, "ec2-endpoint", "", "`URL` of EC2 for all calls; default: AWS's, of the Region of each call")
	c.Flags().BoolVar(&config.AnyKey, "any-key", false, "verify no signatures: every program that reaches the port calls AWS as the proxy; for session credentials, on a machine where you trust all programs")
	return c
}

// endpoints reports whether the environment or the profile asks for the FIPS or the
// dual-stack endpoints of EC2, for example by AWS_USE_FIPS_ENDPOINT. Tools in Go
// cannot ask for them: their SDK refuses that together with the proxy's address.
func endpoints(cfg aws.Config) (fips, dualStack bool) {
	o := ec2.NewFromConfig(cfg).Options().EndpointOptions
	return o.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled, o.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled
}

func serveProxy(ctx context.Context, s *settings, listen string, c resign.Config, stdout io.Writer) error {
	cfg, err := s.credentials(ctx)
	if err != nil {
		return err
	}
	c.Credentials = cfg.Credentials
	c.FIPS, c.DualStack = endpoints(cfg)
	proxy, err := resign.New(c)
	if err != nil {
		return misuse{err}
	}
	listener, err := loopback.Listen(listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "export AWS_ENDPOINT_URL_EC2=http://%s\n", listener.Addr()); err != nil {
		return err
	}
	c.Logger.Info("listening", "address", listener.Addr().String(), "endpoint", c.Endpoint)
	err = serve(ctx, listener, &http.Server{
		Handler:           proxy,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
	}, c.Logger)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	proxy.Close(ctx)
	return err
}

// gracePeriod is the time for calls under way after a server got a signal.
const gracePeriod = 30 * time.Second

// serve returns nil when ctx and the calls under way have ended.
func serve(ctx context.Context, listener net.Listener, server *http.Server, logger *slog.Logger) error {
	server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	return server.Shutdown(ctx)
}
