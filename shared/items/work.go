package items

import (
	"net/netip"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// WorkPK is the partition of work that the provisioning function finishes. Its
// stream filter names it.
const WorkPK = "WORK"

func WorkKey(what, id string) table.Key { return table.Key{PK: WorkPK, SK: what + "#" + id} }

const LiveWork = "live"

const ImportWork = "import"

const PendingWork = "pending"

const PurgeWork = "purge"

func SplitWork(space ipam.SpaceID, p netip.Prefix) table.Key {
	return WorkKey("split", string(space)+"#"+p.String())
}
