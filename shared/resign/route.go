package resign

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/wire/schema"
)

// Target is the service that answers a call.
type Target uint8

// The targets.
const (
	EC2 Target = iota + 1
	Cadastre
)

var targetNames = [...]string{"none", "ec2", "cadastre"}

// String returns the target's name, lower case.
func (t Target) String() string {
	if int(t) < len(targetNames) {
		return targetNames[t]
	}
	return fmt.Sprintf("Target(%d)", uint8(t))
}

// Route returns the target of an EC2 Query call:
//
//   - CreateTags and DeleteTags go to the service of their resources. Route refuses a
//     call that names IPAM resources together with others.
//   - DescribeTags goes to Cadastre if a filter of resource-id or resource-type admits
//     IPAM resources only. It goes to EC2 if such a filter admits other resources only,
//     or if there is no such filter. Route refuses filters that admit both.
//   - An action with Ipam in its name, and each of Cadastre's own, goes to Cadastre.
//   - An action that EC2 and the IPAM API share goes to Cadastre if it names an IPAM
//     pool: CreateVpc, AssociateVpcCidrBlock, CreateSubnet, AllocateAddress and others.
//   - All other calls go to EC2.
//
// Route does not split a call between two services: no client understands an answer
// to half a call, and the pages of two lists have no common token. Calls that name no
// IPAM object, such as DisassociateVpcCidrBlock, DeleteVpc or BYOIP without a pool,
// are EC2's.
//
// The error is an *[ipam.Error]. The target is 0 if and only if there is an error.
func Route(form url.Values) (Target, error) {
	if n := len(form["Action"]); n > 1 {
		return 0, ipam.Errorf(ipam.CodeInvalidParameterValue, "The parameter Action is given %d times. Give it once.", n)
	}
	action := form.Get("Action")
	switch action {
	case "":
		return 0, ipam.Errorf(ipam.CodeMissingParameter, "The request must contain the parameter Action")
	case "CreateTags", "DeleteTags":
		return byResources(action, form)
	case "DescribeTags":
		return byFilters(form)
	}
	if strings.Contains(action, "Ipam") {
		return Cadastre, nil
	}
	o, known := schema.Lookup(action)
	if known && (o.Own || namesPool(form)) {
		return Cadastre, nil
	}
	return EC2, nil
}

// namesPool reports whether a parameter such as IpamPoolId or Ipv6IpamPoolId has a
// value. Tools send empty values for parameters that are not set.
func namesPool(form url.Values) bool {
	for name, values := range form {
		if strings.HasSuffix(name, "IpamPoolId") && strings.Join(values, "") != "" {
			return true
		}
	}
	return false
}

// kinds are the kinds of resources in a list of ids or types.
type kinds struct{ ipam, other bool }

// kindsOf returns the kinds of resources by their ids or types: those of IPAM objects
// begin with ipam, and no others in EC2 do.
func kindsOf(values []string) (k kinds) {
	for _, v := range values {
		if strings.HasPrefix(v, "ipam") {
			k.ipam = true
		} else {
			k.other = true
		}
	}
	return k
}

func byResources(action string, form url.Values) (Target, error) {
	var ids []string
	for name, values := range form {
		if strings.HasPrefix(name, "ResourceId.") {
			ids = append(ids, values...)
		}
	}
	switch kindsOf(ids) {
	case kinds{ipam: true}:
		return Cadastre, nil
	case kinds{ipam: true, other: true}:
		return 0, ipam.Errorf(ipam.CodeInvalidParameterCombination,
			"%s names IPAM resources together with others, and each kind has a service of its own here. Send one request for the resources whose ids begin with ipam, and one for the others.", action)
	}
	return EC2, nil
}

// byFilters returns the target of DescribeTags. A resource must fit all filters, so
// one filter for a kind of resources restricts the whole answer to it.
func byFilters(form url.Values) (Target, error) {
	wanted := map[string][]string{} // by the filter's number
	for name, values := range form {
		n, part := filterPart(name)
		if strings.HasPrefix(part, "Value.") {
			wanted[n] = append(wanted[n], values...)
		}
	}
	var all []kinds // of each filter of ids or types
	for name := range form {
		n, part := filterPart(name)
		if by := form.Get(name); part == "Name" && (by == "resource-id" || by == "resource-type") {
			all = append(all, kindsOf(wanted[n]))
		}
	}
	has := func(k kinds) bool { return slices.Contains(all, k) }
	switch {
	case has(kinds{ipam: true}):
		return Cadastre, nil
	case has(kinds{other: true}):
		return EC2, nil
	case has(kinds{ipam: true, other: true}):
		return 0, ipam.Errorf(ipam.CodeInvalidParameterCombination,
			"The filters of DescribeTags name IPAM resources together with others, and each kind has a service of its own here. Send one request for the ids or types that begin with ipam, and one for the others.")
	}
	return EC2, nil
}

// filterPart splits Filter.N.PART, and returns "" and "" for other names.
func filterPart(name string) (n, part string) {
	rest, ok := strings.CutPrefix(name, "Filter.")
	if !ok {
		return "", ""
	}
	n, part, _ = strings.Cut(rest, ".")
	return n, part
}
