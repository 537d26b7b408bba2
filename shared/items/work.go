package items

import (
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// WorkPK is the partition of work notes. The filter of the provisioning
// function's stream names it.
const WorkPK = "WORK"

// WorkKey returns the key of a work note.
func WorkKey(kind, id string) table.Key { return table.Key{PK: WorkPK, SK: kind + "#" + id} }

// LiveWork is the kind of notes whose CIDR in a scope is still to be compared with the
// live resources there.
const LiveWork = "live"

// ImportWork is the kind of notes whose pool is still to import resources.
const ImportWork = "import"

// PendingWork is the kind of notes whose pending block must end.
const PendingWork = "pending"

// PurgeWork is the kind of notes whose discovery, or one account of it, is to be
// forgotten or to follow its associations.
const PurgeWork = "purge"

// SplitWork returns the key of the note of a split block.
func SplitWork(space ipam.SpaceID, p netip.Prefix) table.Key {
	return WorkKey("split", string(space)+"#"+p.String())
}
