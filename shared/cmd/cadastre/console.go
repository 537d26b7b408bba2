package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cadastre-ipam/cadastre/functions/console/web"
	"github.com/cadastre-ipam/cadastre/shared/console"
	"github.com/cadastre-ipam/cadastre/shared/loopback"
	"github.com/cadastre-ipam/cadastre/shared/ops"
)

func newConsole(s *settings) *cobra.Command {
	var listen string
	var open bool
	c := &cobra.Command{
		Use:   "console",
		Short: "Serve the console's pages on this machine",
		Long: `console serves the console's pages on loopback, and signs the calls of its pages with your
AWS credentials: you have the rights there that you have in IAM. It prints a link and
serves until it is interrupted. It writes one record of each call to standard error.

The link works once and for 10 minutes, and its session lasts 12 hours. On the signal HUP
the command prints a new link, for another browser. Earlier sessions stay.`,
		Example: `  cadastre console --endpoint https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod --open
  cadastre console --profile network --listen 127.0.0.1:8182`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.needEndpoint(); err != nil {
				return err
			}
			pages, built := web.Pages()
			if !built {
				return fmt.Errorf("the program was compiled without the console's pages: run `make web` in a checkout and compile it again")
			}
			return serveConsole(c, s, pages, listen, open)
		},
	}
	s.addEndpoint(c)
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` to listen on; port 0 is any free one")
	c.Flags().BoolVar(&open, "open", false, "open the link in the browser")
	return c
}

func serveConsole(c *cobra.Command, s *settings, pages fs.FS, listen string, open bool) error {
	ctx, logger := c.Context(), newLogger(c)
	cfg, err := s.credentials(ctx)
	if err != nil {
		return err
	}
	listener, err := loopback.Listen(listen)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // the server closed it, or nothing used it
	var operations []string
	for _, o := range ops.New(nil, nil).Operations() {
		operations = append(operations, o.Name)
	}
	l, err := console.NewLoopback(console.Config{Pages: pages, Endpoint: s.endpoint, Region: s.region, Operations: operations, Logger: logger}, listener.Addr(), cfg.Credentials)
	if err != nil {
		return misuse{err}
	}
	link := l.Link()
	if err := printLink(c.OutOrStdout(), link); err != nil {
		return err
	}
	if open {
		remove, err := openLink(ctx, link)
		defer remove()
		if err != nil {
			logger.Warn("no browser was opened; open the link yourself", "error", err.Error())
		}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	go func() {
		for {
			select {
			case <-hangups:
				_ = printLink(c.OutOrStdout(), l.Link()) // nobody reads it
			case <-ctx.Done():
				return
			}
		}
	}()
	logger.Info("listening", "address", listener.Addr().String(), "endpoint", s.endpoint)
	return serve(ctx, listener, l.Server(), logger)
}

func printLink(w io.Writer, link string) error {
	_, err := fmt.Fprintf(w, "The console is at %s\nThe link works once, within 10 minutes.\n", link)
	return err
}

// openLink opens a link in the browser. Other users of the machine can read a program's
// arguments, so the browser gets the link in a file that only this user can read. remove
// deletes the file.
func openLink(ctx context.Context, link string) (remove func(), err error) {
	folder, err := os.MkdirTemp("", "cadastre-console-") // with mode 0700
	if err != nil {
		return func() {}, err
	}
	remove = func() { _ = os.RemoveAll(folder) } // it holds a link that has been used
	file := filepath.Join(folder, "open.html")
	document := `<!doctype html><meta charset="utf-8"><title>Cadastre</title><meta http-equiv="refresh" content="0; url=` + html.EscapeString(link) + `">`
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		return remove, err
	}
	name, args := browser(runtime.GOOS, os.Getenv("BROWSER"))
	if err := exec.CommandContext(ctx, name, append(args, file)...).Run(); err != nil {
		return remove, fmt.Errorf("%s: %w", name, err)
	}
	return remove, nil
}

// browser returns the program that opens a file in the user's browser.
func browser(system, chosen string) (name string, args []string) {
	switch {
	case chosen != "":
		return chosen, nil
	case system == "darwin":
		return "open", nil
	case system == "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}
