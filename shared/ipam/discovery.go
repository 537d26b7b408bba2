package ipam

// Discovery is a resource discovery: which accounts and Regions are watched.
type Discovery struct {
	Meta
	IPAM             string   // of a default one, the IPAM that it was born with
	OperatingRegions []string // sorted; of a default one, those of its IPAM, and this is empty
	Exclusions       []string // paths of organisational units whose accounts are left out, sorted
	IPAMs            []string // that it is associated with, sorted
}

// Default reports whether it was born with an IPAM and goes with it.
func (d *Discovery) Default() bool { return d.IPAM != "" }

// The states of an association.
const (
	StateAssociateComplete    State = "associate-complete"
	StateDisassociateComplete State = "disassociate-complete"
)

// DiscoveryAssociation lets an IPAM see what a discovery finds.
type DiscoveryAssociation struct {
	Meta
	IPAM      string
	Discovery string
	Default   bool
	NotFound  bool // the discovery is gone
}

// DiscoveredAccount is how far the discovery of one account in one Region is.
// Times are Unix milliseconds.
type DiscoveredAccount struct {
	Discovery   string
	Region      string
	Account     string
	OU          string // id of the organisational unit that it is in, if known
	Attempted   int64  // when the last run began
	Succeeded   int64  // when the last complete run began; 0: never
	FailureCode string // assume-role-failure, throttling-failure or unauthorized-failure; "" after a complete run
	Failure     string // what went wrong and what to do
}
