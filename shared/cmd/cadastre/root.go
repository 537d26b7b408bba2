package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// The exit statuses. Each command has the same.
const (
	statusDone    = iota // the command did its work; a server was asked to stop
	statusFound          // the command did its work, and something needs attention, as its help says
	statusMisused        // wrong arguments or settings; nothing was done
	statusFailed         // a failure, such as no credentials or no answer of a service
)

// errFound ends a command with statusFound. The command has printed its findings.
var errFound = errors.New("something was found")

// misuse is the error of wrong arguments or settings.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

func misusef(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

// run carries out the command that args name and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, errFound):
		return statusFound
	}
	fmt.Fprintf(stderr, "%s: %v\n", command.CommandPath(), err)
	if _, ok := errors.AsType[misuse](err); ok {
		fmt.Fprintf(stderr, "See `%s --help`.\n", command.CommandPath())
		return statusMisused
	}
	return statusFailed
}

// newRoot returns the command `cadastre` with all of its commands.
func newRoot() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:   "cadastre",
		Short: "IP address management for AWS organisations",
		Long: `cadastre is the command-line tool of Cadastre, the IP address manager.

Exit statuses of all commands:
  0  done; a server was asked to stop
  1  done, and something needs attention, as the command's help says
  2  wrong arguments or settings; nothing was done
  3  failed, for example without credentials or without an answer of a service

A flag that is not given has the value of its environment variable (CADASTRE_ENDPOINT
for --endpoint), or else that of the configuration file, for example:

  endpoint: https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod
  profile: network
  output: json

AWS credentials are found as the AWS CLI finds them.`,
		Example:                    "  cadastre help proxy",
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		PersistentPreRunE:          func(c *cobra.Command, _ []string) error { return s.fill(c) },
		Args:                       cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	s.addShared(root)
	root.AddCommand(newConsole(s), newExport(s), newFsck(s), newImport(s), newModel(), newProxy(s))
	return root
}

func unknownCommand(c *cobra.Command, name string) error {
	if s := c.SuggestionsFor(name); len(s) > 0 {
		return misusef("there is no command %q; do you mean %s?", name, strings.Join(s, " or "))
	}
	return misusef("there is no command %q", name)
}

// noArguments refuses arguments other than flags.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misusef("%q is no flag, and the command takes no other arguments", args[0])
	}
	return nil
}

// newLogger returns the log of a command, on standard error.
func newLogger(c *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
}
