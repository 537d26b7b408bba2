package store_test

import (
	"testing"

	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/store/storetest"
)

func TestContractInMemory(t *testing.T) {
	storetest.Contract(t, func(*testing.T) store.Table { return &storetest.Memory{} })
}

func TestContractOnDynamoDBLocal(t *testing.T) {
	storetest.Contract(t, func(t *testing.T) store.Table { return storetest.NewService(t, storetest.DynamoDBLocal).Table() })
}

func TestContractOnMiniStack(t *testing.T) {
	storetest.Contract(t, func(t *testing.T) store.Table { return storetest.NewService(t, storetest.MiniStack).Table() })
}
