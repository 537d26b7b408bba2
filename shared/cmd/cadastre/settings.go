package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/cadastre-ipam/cadastre/shared/client"
)

// settings are the values of the flags that several commands have. The zero settings
// are ready for the add methods.
type settings struct {
	file     string
	profile  string
	region   string
	endpoint string
	table    string
	output   format
}

// A setting has a flag, a member of the configuration file of the same name, and the
// environment variable CADASTRE_NAME.
var settingNames = []string{"endpoint", "output", "profile", "region", "table"}

func variable(setting string) string { return "CADASTRE_" + strings.ToUpper(setting) }

// addShared adds the flags that all commands have.
func (s *settings) addShared(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&s.file, "config", "", "configuration `FILE`; default: $CADASTRE_CONFIG, or "+defaultFile)
	flags.StringVar(&s.profile, "profile", "", "`PROFILE` of the AWS configuration with the credentials")
	flags.StringVar(&s.region, "region", "", "`REGION` of the deployment, if the endpoint's host name does not contain it")
}

// addEndpoint adds the flag of a command that calls the API.
func (s *settings) addEndpoint(c *cobra.Command) {
	c.Flags().StringVar(&s.endpoint, "endpoint", "", "`URL` of Cadastre's API, with the stage: the output ApiUrl of the service stack")
}

// addTable adds the flag of a command that reads the table.
func (s *settings) addTable(c *cobra.Command) {
	c.Flags().StringVar(&s.table, "table", "", "`NAME` of the table: the output TableName of the data stack")
}

// addOutput adds the flag of a command that prints a list.
func (s *settings) addOutput(c *cobra.Command) {
	s.output = formatTable
	c.Flags().VarP(&s.output, "output", "o", "`FORMAT` of the output: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // fails for an unknown flag only
}

// needEndpoint returns an error if no endpoint is set.
func (s *settings) needEndpoint() error {
	if s.endpoint == "" {
		return misusef("give the URL of Cadastre's API with --endpoint, %s or the member endpoint of the configuration file", variable("endpoint"))
	}
	return nil
}

// fill sets the flags that the command line does not set, from the environment or else
// from the configuration file.
func (s *settings) fill(c *cobra.Command) error {
	path, values, err := s.read()
	if err != nil {
		return misuse{err}
	}
	for _, name := range settingNames {
		flag := c.Flags().Lookup(name)
		if flag == nil || flag.Changed {
			continue
		}
		value, source := os.Getenv(variable(name)), variable(name)
		if value == "" {
			value, source = values[name], path+": "+name
			if name == "profile" && awsChosen() {
				continue
			}
		}
		if value == "" {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			return misusef("%s: %w", source, err)
		}
	}
	return nil
}

// awsChosen reports whether AWS's own variables choose credentials. They then go before
// a profile of the configuration file.
func awsChosen() bool {
	return slices.ContainsFunc([]string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"}, func(name string) bool { return os.Getenv(name) != "" })
}

// defaultFile is the configuration file for help texts.
const defaultFile = "~/.config/cadastre/config.yaml"

// read returns the configuration file's path and members. Without a file there are
// none; a file that is named by a flag or variable must exist.
func (s *settings) read() (path string, values map[string]string, err error) {
	path = cmp.Or(s.file, os.Getenv("CADASTRE_CONFIG"))
	named := path != ""
	if !named {
		folder := os.Getenv("XDG_CONFIG_HOME")
		if !filepath.IsAbs(folder) { // XDG Base Directory Specification: relative paths are ignored
			home, err := os.UserHomeDir()
			if err != nil {
				return "", nil, nil //nolint:nilerr // without a home folder there is no file
			}
			folder = filepath.Join(home, ".config")
		}
		path = filepath.Join(folder, "cadastre", "config.yaml")
	}
	document, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return path, nil, nil
	}
	if err != nil {
		return path, nil, fmt.Errorf("read the configuration file: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(document))
	if err := d.Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return path, nil, fmt.Errorf("%s: the file is not a YAML mapping of names to texts: %w", path, err)
	}
	for name := range values {
		if !slices.Contains(settingNames, name) {
			return path, nil, fmt.Errorf("%s: %q is no setting; the settings are %s", path, name, strings.Join(settingNames, ", "))
		}
	}
	return path, values, nil
}

// loadAWS returns the AWS configuration of the settings. stsRegion is the Region of STS
// if neither the environment nor the profile names one.
func (s *settings) loadAWS(ctx context.Context, stsRegion string, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	options = append(options, config.WithDefaultRegion(stsRegion))
	if s.profile != "" {
		options = append(options, config.WithSharedConfigProfile(s.profile))
	}
	return config.LoadDefaultConfig(ctx, options...)
}

// apiRegion returns the Region of the API, "" if neither a setting nor the endpoint
// names it.
func (s *settings) apiRegion() string { return cmp.Or(s.region, client.APIRegion(s.endpoint)) }

// credentials returns the AWS configuration to sign calls of the API with. It fails
// without credentials.
func (s *settings) credentials(ctx context.Context) (aws.Config, error) {
	cfg, err := s.loadAWS(ctx, s.apiRegion())
	if err != nil {
		return cfg, err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return cfg, fmt.Errorf("no credentials to sign with: %w", err)
	}
	return cfg, nil
}
