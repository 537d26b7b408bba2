package migration

import (
	"cmp"
	"fmt"
	"slices"
)

// Kind is the kind of a [Finding].
type Kind string

// The kinds of findings.
const (
	KindRow          Kind = "row"           // the line is not written as the format demands
	KindColumn       Kind = "column"        // a column of the file has no use
	KindText         Kind = "text"          // a text is too long, or has characters that are not admitted
	KindCIDR         Kind = "cidr"          // a text is no CIDR
	KindHostBits     Kind = "host-bits"     // the address has bits beyond the netmask length
	KindFamily       Kind = "family"        // IPv4 in a pool of IPv6, or the reverse
	KindDuplicate    Kind = "duplicate"     // the document has it twice
	KindOverlap      Kind = "overlap"       // the space is in use, in the document or in the deployment
	KindLive         Kind = "live-resource" // a resource of another account uses the space
	KindNoPool       Kind = "no-pool"       // no pool has the CIDR
	KindUnknown      Kind = "unknown"       // the named scope or pool does not exist
	KindRule         Kind = "rule"          // a rule of the pool does not admit it
	KindTag          Kind = "tag"           // a tag that nobody may set, or too many tags
	KindAccount      Kind = "account"       // the account is unknown, or the pool is not shared with it
	KindOtherAccount Kind = "other-account" // credentials of another account are necessary
	KindSetting      Kind = "setting"       // a setting has a value that does not exist or does not fit
	KindQuota        Kind = "quota"         // there would be too many objects
	KindDiffers      Kind = "differs"       // the deployment has it with other settings, which stay
	KindUnsupported  Kind = "unsupported"   // Cadastre has nothing like it
	KindDepends      Kind = "depends"       // another line has to be corrected first
	KindNotSeen      Kind = "not-seen"      // discovery has not seen the resource yet
	KindRefused      Kind = "refused"       // the deployment refused the step
)

// Finding is one reason for which a line of a document cannot be taken as it is.
type Finding struct {
	Line    int    `json:"line,omitempty"` // of the file, 1 is the first; 0 if the document has no lines
	Kind    Kind   `json:"kind"`
	Object  string `json:"object"`  // the CIDR, or the name of the scope or pool
	Message string `json:"message"` // the obstacle, with the numbers and the names
	Next    string `json:"next"`    // a step that removes it
}

// String returns the finding as one line.
func (f Finding) String() string {
	at := ""
	if f.Line > 0 {
		at = fmt.Sprintf("line %d: ", f.Line)
	}
	return fmt.Sprintf("%s%s: %s: %s %s", at, f.Object, f.Kind, f.Message, f.Next)
}

// sortFindings sorts by line, and keeps the order within a line.
func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
}
