package items

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// PoolUsage is the item that records whether a pool's usage is above the
// threshold.
type PoolUsage struct {
	Pool      string
	Percent   float64 // taken at the last change, 0 to 100
	Threshold int64
	Crossed   bool
}

func decodeUsage(pool string, i table.Item) (*PoolUsage, error) {
	u := &PoolUsage{Pool: pool, Threshold: i.Num(AttrThreshold), Crossed: i.Num(AttrCrossed) == 1}
	if percent, ok := i[AttrPercent].(*types.AttributeValueMemberN); ok {
		var err error
		u.Percent, err = strconv.ParseFloat(percent.Value, 64)
		return u, err
	}
	return u, nil
}
