// Package discovertest serves discovery's calls to AWS from memory, behind the
// SDK's own clients. It has EC2 in any number of accounts and Regions, STS and
// Organizations, with their wire formats, pages, filters and faults.
package discovertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/cadastre-ipam/cadastre/shared/discover"
	"github.com/cadastre-ipam/cadastre/shared/wire"
)

// Owner is the account of the credentials in [Cloud.Config].
const Owner = "000011112222"

// Member is an account of the organisation.
type Member struct {
	ID     string
	Paths  []string // as Organizations returns them; if empty, only ListParents returns the place
	Parent string   // id of its unit or root
	State  string   // ACTIVE by default
}

// Call is one call that a client made.
type Call struct {
	Service, Name   string
	Account, Region string // account of the credentials, Region of the signature
	Page            int    // from 0
}

func (c Call) String() string {
	return fmt.Sprintf("%s.%s page %d in %s of %s", c.Service, c.Name, c.Page, c.Region, c.Account)
}

// Fault is the result of a call instead of its answer: an error of the service,
// or no answer until the caller gives up.
type Fault struct {
	Status int
	Code   string
	Hang   bool
}

// Cloud is AWS in memory. A test may change it between calls, under Lock if
// calls may run at the time. The zero value is empty and has no role to assume.
type Cloud struct {
	sync.Mutex
	Networks     map[string]*discover.Seen // by account and Region, "111122223333 us-east-1"; absent: empty
	Roles        map[string]string         // by account: the name of the reader role
	Members      []Member
	Parents      map[string]string // parents of units
	PageSize     int               // largest page, if the caller asks for more
	Fault        func(Call) *Fault // called for each call, under Lock
	Answer       func(Call)        // called, without Lock, after a call and before its answer
	Made         []Call
	Organization string // its id; default o-a1b2c3d4e5
	Management   string // the management account; "": there is no organisation

	Now func() time.Time // EC2's clock, for the time of its answers; if nil, they have none
}

// Config returns the configuration of the owner's clients. They call the cloud
// and try once.
func (c *Cloud) Config() aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIA"+Owner, "secret", ""),
		BaseEndpoint: aws.String("https://aws.test"),
		HTTPClient:   c,
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// Network returns the network of an account in a Region. The test may change
// it.
func (c *Cloud) Network(account, region string) *discover.Seen {
	c.Lock()
	defer c.Unlock()
	return c.network(account, region)
}

func (c *Cloud) network(account, region string) *discover.Seen {
	if c.Networks == nil {
		c.Networks = map[string]*discover.Seen{}
	}
	key := account + " " + region
	if c.Networks[key] == nil {
		c.Networks[key] = &discover.Seen{}
	}
	return c.Networks[key]
}

var credential = regexp.MustCompile(`Credential=A[A-Z]{3}([0-9]{12})/[0-9]+/([^/]+)/([^/]+)/`)

// Do serves a request: the cloud is its clients' HTTP client.
func (c *Cloud) Do(r *http.Request) (*http.Response, error) {
	m := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return nil, fmt.Errorf("discovertest: the request is not signed: %v", r.Header)
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	call := Call{Account: m[1], Region: m[2], Service: m[3]}
	var form url.Values
	var input map[string]any
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, call.Name, _ = strings.Cut(target, ".")
		if err := json.Unmarshal(body, &input); err != nil {
			return nil, err
		}
		call.Page = page(text(input["NextToken"]))
	} else {
		var err error
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
		call.Name, call.Page = form.Get("Action"), page(form.Get("NextToken"))
	}
	c.Lock()
	c.Made = append(c.Made, call)
	var fault *Fault
	if c.Fault != nil {
		fault = c.Fault(call)
	}
	answer := c.Answer
	c.Unlock()
	w := httptest.NewRecorder()
	switch {
	case fault != nil && fault.Hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case fault != nil:
		fail(w, call, fault.Status, fault.Code, "injected")
		return w.Result(), nil
	}
	if c.Now != nil {
		w.Header().Set("Date", c.Now().UTC().Format(http.TimeFormat))
	}
	c.Lock()
	switch call.Service {
	case "ec2":
		c.ec2(w, call, form)
	case "sts":
		c.assumeRole(w, call, form)
	case "organizations":
		c.organizations(w, call, input)
	default:
		fail(w, call, http.StatusBadRequest, "UnknownService", call.Service)
	}
	c.Unlock()
	if answer != nil {
		answer(call)
	}
	return w.Result(), nil
}

func page(token string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(token, "page-"))
	return n
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// fail writes an error in the service's form.
func fail(w http.ResponseWriter, c Call, status int, code, message string) {
	switch c.Service {
	case "ec2":
		w.WriteHeader(status)
		fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r</RequestID></Response>`, code, message)
	case "sts":
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
	default:
		answerJSON(w, status, map[string]any{"__type": code, "message": message})
	}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	w.Write(b)
}

func (c *Cloud) assumeRole(w http.ResponseWriter, call Call, form url.Values) {
	m := regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):role/(.+)$`).FindStringSubmatch(form.Get("RoleArn"))
	if call.Name != "AssumeRole" || m == nil || c.Roles[m[1]] != m[2] {
		fail(w, call, http.StatusForbidden, "AccessDenied", "not authorized to perform: sts:AssumeRole on resource: "+form.Get("RoleArn"))
		return
	}
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>`+
		`<AssumedRoleUser><Arn>arn:aws:sts::%[1]s:assumed-role/%[2]s/%[3]s</Arn><AssumedRoleId>AROA:%[3]s</AssumedRoleId></AssumedRoleUser>`+
		`<Credentials><AccessKeyId>ASIA%[1]s</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>`+
		`</AssumeRoleResult></AssumeRoleResponse>`, m[1], m[2], form.Get("RoleSessionName"))
}

func (c *Cloud) organizations(w http.ResponseWriter, call Call, input map[string]any) {
	organization := c.Organization
	if organization == "" {
		organization = "o-a1b2c3d4e5"
	}
	switch call.Name {
	case "ListAccounts":
		accounts, next := paged(c.Members, call.Page, min(20, orAll(c.PageSize)))
		var out []map[string]any
		for _, m := range accounts {
			state := m.State
			if state == "" {
				state = "ACTIVE"
			}
			out = append(out, map[string]any{
				"Id": m.ID, "Arn": "arn:aws:organizations::" + Owner + ":account/" + organization + "/" + m.ID,
				"Name": "account " + m.ID, "State": state, "Paths": m.Paths,
			})
		}
		answer := map[string]any{"Accounts": out}
		if next != "" {
			answer["NextToken"] = next
		}
		answerJSON(w, http.StatusOK, answer)
	case "DescribeOrganization":
		if c.Management == "" {
			fail(w, call, http.StatusBadRequest, "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
			return
		}
		answerJSON(w, http.StatusOK, map[string]any{"Organization": map[string]any{"Id": organization, "MasterAccountId": c.Management}})
	case "ListParents":
		child := text(input["ChildId"])
		parent := c.Parents[child]
		for _, m := range c.Members {
			if m.ID == child {
				parent = m.Parent
			}
		}
		if parent == "" {
			fail(w, call, http.StatusBadRequest, "ChildNotFoundException", child)
			return
		}
		kind := "ORGANIZATIONAL_UNIT"
		if strings.HasPrefix(parent, "r-") {
			kind = "ROOT"
		}
		answerJSON(w, http.StatusOK, map[string]any{"Parents": []map[string]any{{"Id": parent, "Type": kind}}})
	default:
		fail(w, call, http.StatusBadRequest, "UnknownOperationException", call.Name)
	}
}

func orAll(size int) int {
	if size == 0 {
		return 1 << 30
	}
	return size
}

// paged returns a page and the token of the next, "" at the end.
func paged[T any](all []T, page, size int) ([]T, string) {
	from := min(page*size, len(all))
	to := min(from+size, len(all))
	if to == len(all) {
		return all[from:to], ""
	}
	return all[from:to], "page-" + strconv.Itoa(page+1)
}

// ec2 serves the calls of EC2, with one filter at most.
func (c *Cloud) ec2(w http.ResponseWriter, call Call, form url.Values) {
	n := c.network(call.Account, call.Region)
	size, _ := strconv.Atoi(form.Get("MaxResults"))
	size = min(orAll(size), orAll(c.PageSize))
	switch call.Name {
	case "DescribeVpcs":
		describe(w, call, "vpcSet", n.VPCs, size, form, func(v types.Vpc, filter string) *string {
			return map[string]*string{"vpc-id": v.VpcId}[filter]
		})
	case "DescribeSubnets":
		describe(w, call, "subnetSet", n.Subnets, size, form, func(v types.Subnet, filter string) *string {
			return map[string]*string{"vpc-id": v.VpcId, "subnet-id": v.SubnetId}[filter]
		})
	case "DescribeAddresses":
		describe(w, call, "addressesSet", n.Addresses, 1<<30, form, func(v types.Address, filter string) *string {
			return map[string]*string{"allocation-id": v.AllocationId}[filter]
		})
	case "DescribePublicIpv4Pools":
		describe(w, call, "publicIpv4PoolSet", n.Pools, size, form, func(types.PublicIpv4Pool, string) *string { return nil })
	case "DescribeNetworkInterfaces":
		describe(w, call, "networkInterfaceSet", n.Interfaces, size, form, func(v types.NetworkInterface, filter string) *string {
			of := map[string]*string{"network-interface-id": v.NetworkInterfaceId}
			if v.Attachment != nil {
				of["attachment.instance-id"], of["attachment.attachment-id"] = v.Attachment.InstanceId, v.Attachment.AttachmentId
			}
			return of[filter]
		})
	default:
		fail(w, call, http.StatusBadRequest, "InvalidAction", "The action "+call.Name+" is not valid for this web service.")
	}
}

func describe[T any](w http.ResponseWriter, call Call, set string, all []T, size int, form url.Values, value func(T, string) *string) {
	if name := form.Get("Filter.1.Name"); name != "" {
		var values []string
		for i := 1; form.Has(fmt.Sprintf("Filter.1.Value.%d", i)); i++ {
			values = append(values, form.Get(fmt.Sprintf("Filter.1.Value.%d", i)))
		}
		all = slices.DeleteFunc(slices.Clone(all), func(v T) bool {
			s := value(v, name)
			return s == nil || !slices.Contains(values, *s)
		})
	}
	some, next := paged(all, call.Page, size)
	fmt.Fprintf(w, `<%sResponse xmlns="http://ec2.amazonaws.com/doc/%s/"><requestId>r</requestId><%s>`, call.Name, wire.APIVersion, set)
	for _, v := range some {
		io.WriteString(w, "<item>")
		encode(w, reflect.ValueOf(v))
		io.WriteString(w, "</item>")
	}
	fmt.Fprintf(w, "</%s>", set)
	if next != "" {
		fmt.Fprintf(w, "<nextToken>%s</nextToken>", next)
	}
	fmt.Fprintf(w, "</%sResponse>", call.Name)
}

// lists maps members of the SDK's types to the names of lists on the wire,
// where these differ.
var lists = map[string]string{
	"Groups": "groupSet", "Ipv4Prefixes": "ipv4PrefixSet", "Ipv6Addresses": "ipv6AddressesSet", "Ipv6Prefixes": "ipv6PrefixSet",
	"PoolAddressRanges": "poolAddressRangeSet", "PrivateIpAddresses": "privateIpAddressesSet", "Tags": "tagSet",
}

// encode writes the members of a value of the SDK's types in EC2's form.
func encode(w io.Writer, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		encode(w, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || v.Field(i).IsZero() {
				continue
			}
			name := strings.ToLower(f.Name[:1]) + f.Name[1:]
			if f.Type.Kind() != reflect.Slice {
				fmt.Fprintf(w, "<%s>", name)
				encode(w, v.Field(i))
				fmt.Fprintf(w, "</%s>", name)
				continue
			}
			if wire := lists[f.Name]; wire != "" {
				name = wire
			}
			fmt.Fprintf(w, "<%s>", name)
			for j := range v.Field(i).Len() {
				io.WriteString(w, "<item>")
				encode(w, v.Field(i).Index(j))
				io.WriteString(w, "</item>")
			}
			fmt.Fprintf(w, "</%s>", name)
		}
	case reflect.String:
		io.WriteString(w, escaper.Replace(v.String()))
	default:
		fmt.Fprint(w, v.Interface())
	}
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
