package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/cadastre-ipam/cadastre/infra/stacks"
	"github.com/cadastre-ipam/cadastre/shared/console/hosted"
	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/lambdakit"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
	"github.com/cadastre-ipam/cadastre/shared/vending"
)

// Config is the deployer's configuration: the members of the CDK context. They
// are in cdk.json, or on the command line as --context name=value, where all
// values but strings are JSON. infra/README.md describes each member.
type Config struct {
	Name              string   // prefix of the stacks' names
	OrganizationID    string   // the organisation whose principals may call; "" for the owner account only
	VPCEndpointIDs    []string // interface endpoints; with any of them the API is private
	Administrators    []string // patterns of principal ARNs
	Allocators        []string
	Readers           []string
	Quotas            json.RawMessage // members of ipam.Quotas; nil for the defaults
	Concurrency       json.RawMessage // members of stacks.Concurrency; nil for the defaults
	Architecture      string          // "arm64" or "x86_64"
	LogRetentionDays  int
	AlarmEmail        string
	AlarmTopicARN     string
	CreateAPILogRole  bool     // the stack makes and sets the account's role for the logs of API Gateway
	Destroyable       bool     // the stacks' deletion deletes everything
	TableStreamARN    string   // the stream of a table that replaces the data stack's; "" for none
	Accounts          string   // "organization", or ids with commas between them; "" for the owner account
	ExcludedAccounts  []string // ids that discovery leaves out of the organisation's
	ReaderRole        string
	DiscoveryMinutes  int
	IgnoreDefaultVPCs bool // default VPCs are ignored when they are seen for the first time
	ResourceMetrics   bool
	ForecastDays      int
	NotifyEmail       string
	VendingRole       string // "" for no VPCs from pools
	FromPoolsOnly     bool
	Console           json.RawMessage // members of hosted.Settings; nil for no console
}

var (
	stackName      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	organizationID = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	vpcEndpointID  = regexp.MustCompile(`^vpce-([0-9a-f]{8}|[0-9a-f]{17})$`)
	accountList    = regexp.MustCompile(`^(` + discover.EveryAccount + `|` + ipam.AccountPattern + `(,` + ipam.AccountPattern + `)*)$`)
	roleName       = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)
	streamARN      = regexp.MustCompile(`^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:` + ipam.AccountPattern + `:table/[A-Za-z0-9_.-]{3,255}/stream/[0-9T:.-]+$`)
	topicARN       = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:` + ipam.AccountPattern + `:[A-Za-z0-9_-]{1,256}$`)
)

// retentions lists the retention periods of CloudWatch Logs, by days.
var retentions = map[int]awslogs.RetentionDays{
	1: awslogs.RetentionDays_ONE_DAY, 3: awslogs.RetentionDays_THREE_DAYS, 5: awslogs.RetentionDays_FIVE_DAYS, 7: awslogs.RetentionDays_ONE_WEEK,
	14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH, 60: awslogs.RetentionDays_TWO_MONTHS, 90: awslogs.RetentionDays_THREE_MONTHS,
	120: awslogs.RetentionDays_FOUR_MONTHS, 150: awslogs.RetentionDays_FIVE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
	400: awslogs.RetentionDays_THIRTEEN_MONTHS, 545: awslogs.RetentionDays_EIGHTEEN_MONTHS, 731: awslogs.RetentionDays_TWO_YEARS,
	1096: awslogs.RetentionDays_THREE_YEARS, 1827: awslogs.RetentionDays_FIVE_YEARS, 2192: awslogs.RetentionDays_SIX_YEARS,
	2557: awslogs.RetentionDays_SEVEN_YEARS, 2922: awslogs.RetentionDays_EIGHT_YEARS, 3288: awslogs.RetentionDays_NINE_YEARS, 3653: awslogs.RetentionDays_TEN_YEARS,
}

// fields maps the members of the context to the fields of c.
func (c *Config) fields() map[string]any {
	return map[string]any{
		"name":                   &c.Name,
		"organizationId":         &c.OrganizationID,
		"vpcEndpointIds":         &c.VPCEndpointIDs,
		"administrators":         &c.Administrators,
		"allocators":             &c.Allocators,
		"readers":                &c.Readers,
		"quotas":                 &c.Quotas,
		"concurrency":            &c.Concurrency,
		"architecture":           &c.Architecture,
		"logRetentionDays":       &c.LogRetentionDays,
		"alarmEmail":             &c.AlarmEmail,
		"alarmTopicArn":          &c.AlarmTopicARN,
		"createApiLogRole":       &c.CreateAPILogRole,
		"destroyable":            &c.Destroyable,
		"tableStreamArn":         &c.TableStreamARN,
		"accounts":               &c.Accounts,
		"excludedAccounts":       &c.ExcludedAccounts,
		"readerRole":             &c.ReaderRole,
		"discoveryMinutes":       &c.DiscoveryMinutes,
		"ignoreDefaultVpcs":      &c.IgnoreDefaultVPCs,
		"resourceMetrics":        &c.ResourceMetrics,
		"exhaustionForecastDays": &c.ForecastDays,
		"notifyEmail":            &c.NotifyEmail,

		"vendingRole":       &c.VendingRole,
		"vpcsFromPoolsOnly": &c.FromPoolsOnly,
		"console":           &c.Console,
	}
}

// ParseConfig reads the context. The error names everything that is wrong. An
// unknown member is an error, because a misspelt one could leave the deployment
// open to callers. ParseConfig ignores CDK's own members, which have a colon, a
// slash or a dash in their names.
func ParseConfig(context map[string]any) (Config, error) {
	c := Config{Name: "cadastre", Architecture: "arm64", LogRetentionDays: 90, CreateAPILogRole: true, ReaderRole: discover.ReaderRole, DiscoveryMinutes: 5, IgnoreDefaultVPCs: true, ForecastDays: lambdakit.DefaultForecastDays, VendingRole: vending.DefaultRole}
	var errs []error
	fields := c.fields()
	for _, name := range slices.Sorted(maps.Keys(context)) {
		field, ok := fields[name]
		if !ok {
			if !strings.ContainsAny(name, ":/-") {
				errs = append(errs, fmt.Errorf("%s: the context has no such member; its members are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
			}
			continue
		}
		if err := decode(context[name], field); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	errs = append(errs, c.check()...)
	if err := errors.Join(errs...); err != nil {
		return Config{}, fmt.Errorf("the CDK context cannot be used:\n%w", err)
	}
	return c, nil
}

// decode reads a value of the context into a field. A value from the command line
// is always a string: the value itself for a string field, and JSON for any other.
func decode(value any, field any) error {
	text, isText := value.(string)
	if s, ok := field.(*string); ok {
		if !isText {
			return fmt.Errorf("%v is not a string", value)
		}
		*s = text
		return nil
	}
	document := []byte(text)
	if !isText {
		var err error
		if document, err = json.Marshal(unwrapped(value)); err != nil {
			return err
		}
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	err := d.Decode(field)
	if err == nil && (d.More() || string(bytes.TrimSpace(document)) == "null") {
		err = errors.New("the type is another")
	}
	if err != nil {
		return fmt.Errorf("%s is not %s: %w", document, kind(field), err)
	}
	return nil
}

// unwrapped returns a value of the context without the objects that jsii puts around
// objects inside of it: {"$jsii.map": {…}}.
func unwrapped(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if inner, ok := v["$jsii.map"]; ok && len(v) == 1 {
			return unwrapped(inner)
		}
		plain := make(map[string]any, len(v))
		for name, member := range v {
			plain[name] = unwrapped(member)
		}
		return plain
	case []any:
		plain := make([]any, len(v))
		for i, element := range v {
			plain[i] = unwrapped(element)
		}
		return plain
	}
	return value
}

// kind describes a field's type for an error message.
func kind(field any) string {
	switch field.(type) {
	case *[]string:
		return `a list of strings such as ["a", "b"]`
	case *int:
		return "a whole number"
	case *bool:
		return "true or false"
	}
	return "a JSON object"
}

// check returns the faults of the values.
func (c *Config) check() []error {
	return slices.Concat(c.checkNames(), c.checkCallers(), c.checkWatching(), c.checkNotifications(), c.checkFunctions(), c.checkConsole())
}

// matching returns an error unless the value of a member has the form of want.
func matching(name, value string, want *regexp.Regexp, example string) error {
	if want.MatchString(value) {
		return nil
	}
	return fmt.Errorf("%s: %q is invalid; use a value such as %s", name, value, example)
}

// found returns the errors of errs that are not nil.
func found(errs ...error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// checkNames returns the faults of the names of stacks and roles, and of the table.
func (c *Config) checkNames() []error {
	errs := found(
		matching("name", c.Name, stackName, "cadastre: a letter, then up to 63 letters, digits and dashes"),
		matching("readerRole", c.ReaderRole, roleName, "cadastre-reader: letters, digits and any of +=,.@_-, at most 64"),
	)
	if strings.EqualFold(c.Name, "default") {
		errs = append(errs, fmt.Errorf("name: every account has an event bus with the name %q; choose another name, such as cadastre", c.Name))
	}
	if c.VendingRole != "" {
		errs = append(errs, found(matching("vendingRole", c.VendingRole, roleName, "CadastreVending: letters, digits and any of +=,.@_-, at most 64"))...)
	}
	if c.VendingRole == c.ReaderRole {
		errs = append(errs, fmt.Errorf("vendingRole: readerRole is %q, too; one role reads and the other makes VPCs, so they need two names", c.ReaderRole))
	}
	if c.FromPoolsOnly && c.VendingRole == "" {
		errs = append(errs, errors.New("vpcsFromPoolsOnly: without a vendingRole the API makes no VPCs"))
	}
	if c.TableStreamARN != "" {
		errs = append(errs, found(matching("tableStreamArn", c.TableStreamARN, streamARN, "arn:aws:dynamodb:eu-west-1:111122223333:table/cadastre-restored/stream/2026-01-31T12:00:00.000"))...)
	}
	return errs
}

// checkCallers returns the faults of the members that decide on callers.
func (c *Config) checkCallers() (errs []error) {
	if c.OrganizationID != "" {
		errs = append(errs, found(matching("organizationId", c.OrganizationID, organizationID, "o-a1b2c3d4e5"))...)
	}
	for _, id := range c.VPCEndpointIDs {
		errs = append(errs, found(matching("vpcEndpointIds", id, vpcEndpointID, "vpce-0123456789abcdef0"))...)
	}
	for _, l := range []struct {
		name     string
		patterns []string
	}{{"administrators", c.Administrators}, {"allocators", c.Allocators}, {"readers", c.Readers}} {
		for _, p := range l.patterns {
			_, err := registry.ParseARNPattern(p)
			if err == nil && strings.ContainsAny(p, " \t\n") {
				err = errors.New("it has a space")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %q is not a pattern of principal ARNs, such as arn:aws:iam::111122223333:role/network-*: %w", l.name, p, err))
			}
		}
	}
	if c.Administrators != nil && !slices.ContainsFunc(c.Administrators, matchesPrincipals) {
		errs = append(errs, fmt.Errorf("administrators: no principal can match any of %q, so nobody could administer; name the ARN of a role or user, or leave the member out for every principal of the owner account", c.Administrators))
	}
	return errs
}

// principalPattern is the form of patterns that some principal can match: its service
// is IAM or STS, and its account has 12 digits or a wildcard.
var principalPattern = regexp.MustCompile(`^(\*|[^:]+:[^:]+:(iam|sts|[^:]*[*?][^:]*):[^:]*:(` + ipam.AccountPattern + `|[^:]*[*?][^:]*):.+)$`)

func matchesPrincipals(pattern string) bool { return principalPattern.MatchString(pattern) }

// checkWatching returns the faults of the members for discovery.
func (c *Config) checkWatching() (errs []error) {
	if c.Accounts != "" {
		errs = append(errs, found(matching("accounts", c.Accounts, accountList, "organization, or 111122223333,444455556666"))...)
	}
	for _, id := range c.ExcludedAccounts {
		if !ipam.IsAccountID(id) {
			errs = append(errs, fmt.Errorf("excludedAccounts: %q is invalid; use a value such as 444455556666", id))
		}
	}
	if len(c.ExcludedAccounts) > 0 && c.Accounts != discover.EveryAccount {
		errs = append(errs, fmt.Errorf("excludedAccounts: they apply with accounts set to %s; otherwise leave the ids out of accounts", discover.EveryAccount))
	}
	if c.ForecastDays < 1 || c.ForecastDays > lambdakit.MaxForecastDays {
		errs = append(errs, fmt.Errorf("exhaustionForecastDays: %d is not from 1 to %d", c.ForecastDays, lambdakit.MaxForecastDays))
	}
	if c.DiscoveryMinutes < 1 || c.DiscoveryMinutes > 24*60 {
		errs = append(errs, fmt.Errorf("discoveryMinutes: %d is not from 1 to %d", c.DiscoveryMinutes, 24*60))
	}
	return errs
}

// checkNotifications returns the faults of the addresses and topics for notifications.
func (c *Config) checkNotifications() (errs []error) {
	if c.AlarmTopicARN != "" {
		errs = append(errs, found(matching("alarmTopicArn", c.AlarmTopicARN, topicARN, "arn:aws:sns:eu-west-1:111122223333:alarms"))...)
	}
	if c.AlarmEmail != "" && c.AlarmTopicARN != "" {
		errs = append(errs, errors.New("alarmEmail and alarmTopicArn: give one of them; an existing topic has its own subscriptions"))
	}
	for name, address := range map[string]string{"alarmEmail": c.AlarmEmail, "notifyEmail": c.NotifyEmail} {
		if a, err := mail.ParseAddress(address); address != "" && (err != nil || a.Address != address) {
			errs = append(errs, fmt.Errorf("%s: %q is not a mail address", name, address))
		}
	}
	return errs
}

// checkFunctions returns the faults of the functions' settings.
func (c *Config) checkFunctions() (errs []error) {
	if _, ok := architectures[c.Architecture]; !ok {
		errs = append(errs, fmt.Errorf("architecture: %q is neither arm64 nor x86_64", c.Architecture))
	}
	if _, ok := retentions[c.LogRetentionDays]; !ok {
		errs = append(errs, fmt.Errorf("logRetentionDays: CloudWatch Logs has no retention of %d days; choose one of %v", c.LogRetentionDays, slices.Sorted(maps.Keys(retentions))))
	}
	if _, err := lambdakit.ParseQuotas(string(c.Quotas)); err != nil {
		errs = append(errs, fmt.Errorf("quotas: %w", err))
	}
	if _, err := c.concurrency(); err != nil {
		errs = append(errs, fmt.Errorf("concurrency: %w", err))
	}
	return errs
}

// maxConsoleName is the longest name of a deployment with a console, in characters: its
// roles have the name, the Region and the class in theirs, and IAM takes 64.
const maxConsoleName = 64 - len("-ap-southeast-1-console-administer")

// certificateARN is the form of the ARN of a certificate.
var certificateARN = regexp.MustCompile(`^arn:aws[a-z-]*:acm:[a-z0-9-]+:` + ipam.AccountPattern + `:certificate/[A-Za-z0-9-]+$`)

// checkConsole returns the faults of the hosted console's settings, and of other members
// that a console needs or excludes.
func (c *Config) checkConsole() (errs []error) {
	if c.Console == nil {
		return nil
	}
	s, err := hosted.ParseSettings(c.Console)
	if err != nil {
		errs = append(errs, fmt.Errorf("console: %w", err))
	}
	if s.CertificateARN != "" {
		errs = append(errs, found(matching("console: certificateArn", s.CertificateARN, certificateARN, "arn:aws:acm:eu-west-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"))...)
	}
	if len(c.Administrators) == 0 {
		errs = append(errs, errors.New("console: name the administrators. Without them every principal of the owner account administers, so each role of the console would, too"))
	}
	for _, l := range []struct {
		name     string
		patterns []string
	}{{"administrators", c.Administrators}, {"allocators", c.Allocators}} {
		for _, p := range l.patterns {
			if covers(p, c.Name) {
				errs = append(errs, fmt.Errorf("console: the pattern %q of %s matches the console's roles, and would give each of them that class; use patterns that do not match role/%s-REGION-console-read", p, l.name, c.Name))
			}
		}
	}
	if len(c.VPCEndpointIDs) > 0 {
		errs = append(errs, errors.New("console: with vpcEndpointIds the API is private, and the console cannot reach it; use `cadastre console` inside the VPC instead"))
	}
	if len(c.Name) > maxConsoleName {
		errs = append(errs, fmt.Errorf("console: the name %q has %d characters; with a console it may have %d, since its roles have the name, the Region and the class in theirs", c.Name, len(c.Name), maxConsoleName))
	}
	return errs
}

// covers reports whether a pattern of principals matches the console's role for readers, in
// the account and the Region that the pattern itself names.
func covers(pattern, name string) bool {
	parsed, err := registry.ParseARNPattern(pattern)
	if err != nil {
		return false // another check reports it
	}
	account := "111122223333"
	if parts := strings.SplitN(pattern, ":", 6); len(parts) == 6 && ipam.IsAccountID(parts[4]) {
		account = parts[4]
	}
	partitions := ipam.Partitions()
	return slices.ContainsFunc(partitions, func(partition string) bool {
		return slices.ContainsFunc([]string{"us-east-1", "eu-west-1", "ap-northeast-1", "us-gov-west-1", "cn-north-1"}, func(region string) bool {
			return parsed.Match("arn:" + partition + ":sts::" + account + ":assumed-role/" + name + "-" + region + "-console-read/ana")
		})
	})
}

// concurrency returns the limits of the background functions: the defaults, with the
// members that the configuration sets. With more accounts than the owner's, the
// defaults are higher.
func (c *Config) concurrency() (stacks.Concurrency, error) {
	limits := stacks.DefaultConcurrency(c.Accounts != "")
	if c.Concurrency != nil {
		d := json.NewDecoder(bytes.NewReader(c.Concurrency))
		d.DisallowUnknownFields()
		if err := d.Decode(&limits); err != nil {
			return limits, fmt.Errorf("read the limits %s: %w", c.Concurrency, err)
		}
	}
	return limits, limits.Check()
}

// maxEnvironment limits the size of grants and quotas, in bytes. Lambda has 4 KB
// for all environment variables of a function.
const maxEnvironment = 3 << 10

// Environment returns the environment variables by which the functions get grants,
// quotas and the setting for default VPCs.
func (c *Config) Environment() (map[string]string, error) {
	administrators, allocators, readers := c.Administrators, c.Allocators, c.Readers
	if c.Console != nil {
		console := stacks.ConsolePrincipals(c.Name)
		administrators = append(slices.Clone(administrators), console[registry.Administer])
		allocators = append(slices.Clone(allocators), console[registry.Allocate])
		readers = append(slices.Clone(readers), console[registry.Read])
	}
	grants, err := json.Marshal(struct {
		Administrators []string `json:"administrators,omitempty"`
		Allocators     []string `json:"allocators,omitempty"`
		Readers        []string `json:"readers,omitempty"`
	}{administrators, allocators, readers})
	if err != nil {
		return nil, err
	}
	environment := map[string]string{lambdakit.EnvGrants: string(grants), lambdakit.EnvIgnoreDefaultVPCs: strconv.FormatBool(c.IgnoreDefaultVPCs)}
	if c.Quotas != nil {
		environment[lambdakit.EnvQuotas] = string(c.Quotas)
	}
	if len(grants)+len(c.Quotas) > maxEnvironment {
		return nil, fmt.Errorf("the grants and quotas take %d bytes, and a function's environment has room for %d of them; replace lists of principals by patterns with *", len(grants)+len(c.Quotas), maxEnvironment)
	}
	return environment, nil
}
