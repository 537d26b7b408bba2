package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/cadastre-ipam/cadastre/functions/console/web"
	"github.com/cadastre-ipam/cadastre/shared/assume"
	"github.com/cadastre-ipam/cadastre/shared/console/hosted"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// parameterTimeout is the time for a call of SSM, retries included.
const parameterTimeout = 5 * time.Second

// assumeTimeout is the time for a call of STS, retries included.
const assumeTimeout = 5 * time.Second

func open(ctx context.Context) (lambda.Handler, error) {
	settings, err := hosted.ParseSettings([]byte(os.Getenv(lambdakit.EnvConsole)))
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	parameters := ssm.NewFromConfig(cfg)
	key, err := cookieKey(ctx, parameters, os.Getenv(lambdakit.EnvConsoleKey))
	if err != nil {
		return nil, err
	}
	pages, built := web.Pages()
	if !built {
		return nil, errors.New("the function was compiled without the console's pages: run `make web` before `make build`")
	}
	c := hosted.Config{
		Settings: settings, Key: key, Origin: os.Getenv(lambdakit.EnvConsoleOrigin), Pages: pages,
		Endpoint: os.Getenv(lambdakit.EnvEndpoint), Region: os.Getenv(lambdakit.EnvHomeRegion), Operations: operations(),
		Credentials: roles(cfg, os.Getenv(lambdakit.EnvAccount), os.Getenv(lambdakit.EnvConsoleRoles)),
	}
	if settings.ClientSecretParameter != "" {
		c.ClientSecret = secret(parameters, settings.ClientSecretParameter, time.Now)
	}
	h, err := hosted.New(c)
	if err != nil {
		return nil, err
	}
	return lambda.NewHandler(New(h).Handle), nil
}

func operations() (names []string) {
	for _, o := range ops.New(nil, nil).Operations() {
		names = append(names, o.Name)
	}
	return names
}

// roles returns the credentials of each class's role, whose name is the prefix and the
// class. Sessions have the person's name as their source identity, too.
func roles(cfg aws.Config, account, prefix string) func(registry.Class, string) aws.CredentialsProvider {
	all := map[registry.Class]*assume.Role{}
	for _, class := range []registry.Class{registry.Read, registry.Allocate, registry.Administer} {
		all[class] = assume.NewRole(cfg, prefix+class.String(), assumeTimeout, assume.WithSourceIdentity())
	}
	return func(class registry.Class, session string) aws.CredentialsProvider {
		return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			role := all[class]
			if role == nil {
				return aws.Credentials{}, fmt.Errorf("there is no role of the class %s", class)
			}
			own, err := role.Config(ctx, account, cfg.Region, session)
			if err != nil {
				return aws.Credentials{}, err
			}
			return own.Credentials.Retrieve(ctx)
		})
	}
}

// parameterStore is SSM, as far as the function uses it.
type parameterStore interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
}

func readParameter(ctx context.Context, parameters parameterStore, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, parameterTimeout)
	defer cancel()
	out, err := parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", fmt.Errorf("read the parameter %s: %w", name, err)
	}
	if out.Parameter == nil || aws.ToString(out.Parameter.Value) == "" {
		return "", fmt.Errorf("the parameter %s is empty", name)
	}
	return *out.Parameter.Value, nil
}

// cookieKey returns the key of the cookies from an SSM parameter. The first function that
// starts makes the key; CloudFormation cannot make a secret parameter. If two start at
// once, the parameter keeps one key, and both use that one.
func cookieKey(ctx context.Context, parameters parameterStore, name string) ([]byte, error) {
	key, err := readParameter(ctx, parameters, name)
	if _, missing := errors.AsType[*types.ParameterNotFound](err); missing {
		ctx, cancel := context.WithTimeout(ctx, parameterTimeout)
		defer cancel()
		_, err = parameters.PutParameter(ctx, &ssm.PutParameterInput{
			Name: &name, Value: aws.String(rand.Text() + rand.Text()), Type: types.ParameterTypeSecureString, // 260 random bits
			Description: aws.String("Cadastre: the key of the console's cookies. Delete it to end all sessions, and deploy again."),
		})
		if _, lost := errors.AsType[*types.ParameterAlreadyExists](err); err != nil && !lost {
			return nil, fmt.Errorf("make the parameter %s: %w", name, err)
		}
		key, err = readParameter(ctx, parameters, name)
	}
	return []byte(key), err
}

// secretLifetime is how long the client's secret is used before it is read again.
const secretLifetime = 5 * time.Minute

// secret returns a function that reads the client's secret and keeps it for a while.
func secret(parameters parameterStore, name string, now func() time.Time) func(context.Context) (string, error) {
	var mu sync.Mutex
	var value string
	var until time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if value != "" && now().Before(until) {
			return value, nil
		}
		read, err := readParameter(ctx, parameters, name)
		if err != nil {
			return "", err
		}
		value, until = read, now().Add(secretLifetime)
		return value, nil
	}
}
