package registry

import "strings"

// ForwarderRolePrefix begins the name of the role of each forwarder, the function that
// serves the custom resources of stacks in other accounts and Regions.
const ForwarderRolePrefix = "cadastre-forwarder-"

// IsForwarder reports whether the principal with an ARN is a session of a forwarder's
// role. An account's administrators decide on the principals with such a role.
func IsForwarder(arn string) bool {
	parts := strings.SplitN(arn, ":", arnParts)
	if len(parts) != arnParts {
		return false
	}
	role := roleOf(parts)
	return role != nil && strings.HasPrefix(role[arnParts-1], "role/"+ForwarderRolePrefix)
}
