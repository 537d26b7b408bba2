package table_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

func TestContractInMemory(t *testing.T) {
	tabletest.Contract(t, func(*testing.T) table.Table { return &tabletest.Memory{} })
}

func TestContractOnDynamoDBLocal(t *testing.T) {
	tabletest.Contract(t, func(t *testing.T) table.Table { return tabletest.NewService(t, tabletest.DynamoDBLocal).Table() })
}

func TestContractOnMiniStack(t *testing.T) {
	tabletest.Contract(t, func(t *testing.T) table.Table { return tabletest.NewService(t, tabletest.MiniStack).Table() })
}
