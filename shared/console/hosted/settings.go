package hosted

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/loopback"
	"github.com/cadastre-ipam/cadastre/shared/ops/registry"
)

// SecretsManagerPrefix begins the names of the SSM parameters that are secrets of Secrets
// Manager (Systems Manager User Guide, "Referencing AWS Secrets Manager secrets from
// Parameter Store parameters").
const SecretsManagerPrefix = "/aws/reference/secretsmanager/"

// Settings are the deployer's settings of the console: the member console of the CDK
// context.
type Settings struct {
	Issuer   string `json:"issuer"`   // of the OpenID Connect provider
	ClientID string `json:"clientId"` // of the console at the provider
	// ClientSecretParameter is the name of the SSM parameter with the client's secret.
	// /aws/reference/secretsmanager/NAME is a secret of Secrets Manager. "" for a
	// public client.
	ClientSecretParameter string   `json:"clientSecretParameter,omitempty"`
	Scopes                []string `json:"scopes,omitempty"`      // beside openid; default: profile and email
	GroupsClaim           string   `json:"groupsClaim,omitempty"` // default: groups
	NameClaim             string   `json:"nameClaim,omitempty"`   // default: email
	// The groups of each class. A person has the highest class of all groups.
	Administrators []string `json:"administrators,omitempty"`
	Allocators     []string `json:"allocators,omitempty"`
	Readers        []string `json:"readers,omitempty"`
	SessionMinutes int      `json:"sessionMinutes,omitempty"` // 5 to 720; default: 60
	// The domain name of the console, and its certificate in ACM, in the API's Region.
	// Without them the console has the address of its API.
	DomainName     string `json:"domainName,omitempty"`
	CertificateARN string `json:"certificateArn,omitempty"`
}

// parameterName is the form of a parameter's name (AWS Systems Manager API Reference,
// "PutParameter"). It admits no wildcard, since a policy names the parameter.
var parameterName = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,1000}$`)

// ParseSettings reads settings, checks them and sets the defaults. The error names all
// faults.
func ParseSettings(document []byte) (Settings, error) {
	s := Settings{Scopes: []string{"profile", "email"}, GroupsClaim: "groups", NameClaim: "email", SessionMinutes: 60}
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.DisallowUnknownFields() // a misspelt list of groups would grant too little
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("read the console's settings: %w", err)
	}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(s.Issuer); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback.IsHost(u.Host)) {
		fault("issuer: %q is no URL such as https://login.example.com", s.Issuer)
	}
	if s.ClientSecretParameter != "" && !parameterName.MatchString(s.ClientSecretParameter) {
		fault("clientSecretParameter: %q is no name of a parameter, such as /cadastre/console/secret", s.ClientSecretParameter)
	}
	if s.ClientID == "" {
		fault("clientId: name the client that the provider knows the console by")
	}
	if s.GroupsClaim == "" || s.NameClaim == "" {
		fault("groupsClaim and nameClaim: leave them out for groups and email, or name claims of the ID token")
	}
	if len(s.Administrators)+len(s.Allocators)+len(s.Readers) == 0 {
		fault("administrators, allocators, readers: without a group nobody can use the console")
	}
	for _, l := range [][]string{s.Administrators, s.Allocators, s.Readers} {
		for _, group := range l {
			if strings.TrimSpace(group) == "" {
				fault("administrators, allocators, readers: a group has no name")
			}
		}
	}
	if s.SessionMinutes < 5 || s.SessionMinutes > 720 {
		fault("sessionMinutes: %d is not from 5 to 720", s.SessionMinutes)
	}
	if (s.DomainName == "") != (s.CertificateARN == "") {
		fault("domainName and certificateArn: give both or none")
	}
	if s.DomainName != "" && (strings.ContainsAny(s.DomainName, "/: ") || !strings.Contains(s.DomainName, ".") || s.DomainName != strings.ToLower(s.DomainName)) {
		fault("domainName: %q is no name such as console.example.com, in lower case", s.DomainName)
	}
	return s, errors.Join(errs...)
}

// session returns the length of a session.
func (s *Settings) session() time.Duration { return time.Duration(s.SessionMinutes) * time.Minute }

// Class returns the highest class of a person's groups, and false if none of them has one.
func (s *Settings) Class(groups []string) (registry.Class, bool) {
	has := map[string]bool{}
	for _, g := range groups {
		has[g] = true
	}
	for _, l := range []struct {
		class  registry.Class
		groups []string
	}{{registry.Administer, s.Administrators}, {registry.Allocate, s.Allocators}, {registry.Read, s.Readers}} {
		for _, g := range l.groups {
			if has[g] {
				return l.class, true
			}
		}
	}
	return 0, false
}
