package ipam

import "regexp"

var regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$`)

// IsRegion reports whether s has the form of a Region's name, such as
// ap-northeast-1 or eusc-de-east-1. Which Regions there are is not known here.
func IsRegion(s string) bool { return regionName.MatchString(s) }
