package store

// Names of the table's key attributes and of its time-to-live attribute. The
// infrastructure makes the table with them.
const (
	AttrPK      = "PK"
	AttrSK      = "SK"
	AttrExpires = "Expires" // Unix seconds; past it the item counts as absent, whenever TTL removes it
)
