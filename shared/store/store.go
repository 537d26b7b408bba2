// Package store keeps Cadastre's state in one DynamoDB table. A method reads a
// snapshot, has package ipam decide on it, and applies the decision in one
// transaction. The transaction's conditions hold only if the decision is still right.
//
// All methods may be called by any number of goroutines, processes and Regions at
// once.
//
// Read the files in this order. Each uses only those before it:
//
//	how it commits  store.go commit.go token.go notes.go
//	how it reads    read.go blocks.go resources.go usage.go history.go change.go past.go spacemap.go sample.go summary.go
//	space           give.go occupants.go take.go hold.go pick.go foreign.go release.go pending.go
//	pools           poolcidr.go planning.go
//	live network    reserve.go import.go status.go reconcile.go
//	decisions       allocate.go allocation.go provision.go deprovision.go
//	discovery       newrow.go removedrow.go observe.go modify_resource.go
//	objects         objects.go discovery.go scope.go members.go version.go resolver.go
//	                ipam.go share.go pool.go account.go settings.go
//	restore         lost.go lost_objects.go lost_space.go putback.go
//	background      work.go
package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/backoff"
	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Options configure a Store. The zero value of each field but Region is usable; without an
// Owner, no account's administrators can grant.
type Options struct {
	Region string                                           // the Region that writes, part of every derived id
	Owner  string                                           // the account that the deployment belongs to
	Quotas *ipam.Quotas                                     // default: ipam.DefaultQuotas
	Now    func() time.Time                                 // default: time.Now
	Pick   func(n int) int                                  // a number in [0, n), for choosing among positions; default: random
	NewID  func() string                                    // a unique token, for callers without one; default: 128 random bits
	Sleep  func(ctx context.Context, d time.Duration) error // default: sleeps, or returns the context's error
	Tries  int                                              // transactions tried before giving up, default 16
	Room   int                                              // block changes in one transaction, default 88, at least 5
	Equals int                                              // rows with one CIDR among which a removed one concerns no other, if there are more; default 16
	AtOnce int                                              // resources whose space is followed at once, default 8: more would write more than a partition of the table bears

	// MapLive is the number of blocks and resources that the map of a space adds up itself
	// at most, if no scan has added them up; default 50,000, about 15 answers of the table.
	// MapSummed is the number up to which a map does not use a scan's; default 20,000. Below
	// it the tiles of the scan are too few for a picture.
	MapLive, MapSummed int

	// IgnoreDefaultVPCs ignores the CIDR of a default VPC, with its subnets and
	// interfaces, from the first time that an IPAM sees it; see ipam.FirstTarget. It
	// changes nothing for CIDRs that an IPAM has seen before.
	IgnoreDefaultVPCs bool

	// Restores returns the restores of the table; default: none. The store calls it once
	// for each request that has a token, so it should cache them.
	Restores func(context.Context) (items.Restores, error)
}

// Store is the state of one deployment.
type Store struct {
	table  table.Table
	o      Options
	window windows
}

// New returns a store on a table.
func New(t table.Table, o Options) *Store {
	if o.Quotas == nil {
		q := ipam.DefaultQuotas()
		o.Quotas = &q
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pick == nil {
		o.Pick = mathrand.IntN
	}
	if o.NewID == nil {
		o.NewID = func() string {
			b := make([]byte, 16)
			rand.Read(b)
			return hex.EncodeToString(b)
		}
	}
	if o.Sleep == nil {
		o.Sleep = backoff.Sleep
	}
	if o.Tries == 0 {
		o.Tries = 16
	}
	if o.Room == 0 {
		o.Room = 88 // leaves 12 of MaxWrites for the writes that go with the blocks
	}
	if o.Equals == 0 {
		o.Equals = 16
	}
	if o.AtOnce == 0 {
		o.AtOnce = 8
	}
	if o.MapLive == 0 {
		o.MapLive = 50_000
	}
	if o.MapSummed == 0 {
		o.MapSummed = 20_000
	}
	return &Store{table: t, o: o}
}

// Region returns the Region that the store writes in, the home Region.
func (s *Store) Region() string { return s.o.Region }

// Owner returns the account that the deployment belongs to.
func (s *Store) Owner() string { return s.o.Owner }

// Quotas returns the limits in force.
func (s *Store) Quotas() ipam.Quotas { return *s.o.Quotas }

// IgnoresDefaultVPCs reports whether the store ignores default VPCs that an IPAM sees for
// the first time.
func (s *Store) IgnoresDefaultVPCs() bool { return s.o.IgnoreDefaultVPCs }

// Now returns the time by the store's clock.
func (s *Store) Now() time.Time { return s.o.Now() }

func (s *Store) now() int64 { return s.o.Now().Unix() }

// windows has, for each space in which this process had a conflict, the number of lowest
// positions among which it chooses. The number grows on a conflict and falls on a success,
// so that many writers do not meet, while the space stays summarised. A process forgets a
// conflict after a while, so that a single writer takes the lowest position in the tightest
// block again.
type windows struct {
	mu sync.Mutex
	of map[ipam.SpaceID]window
}

type window struct {
	width    int
	conflict time.Time // the last one
}

// maxWindow is the largest window. Writers conflict on the free blocks that they split, not
// on the positions that they take: 32 writers need some 500 positions for four of five
// tries without a conflict.
const maxWindow = 512

// minRootWindow is how far the window may grow in any root, however small it is.
const minRootWindow = 64

// rootWindow is the largest window in a root, for blocks of a length: a quarter of its
// positions. If writers with this window take half of the root, another quarter stays in
// one piece.
func rootWindow(root ipam.Root, length int) int {
	return max(minRootWindow, 1<<min(max(0, length-root.Bits-2), 30))
}

// conflictMemory is how long after a conflict a process assumes other writers.
const conflictMemory = 3 * time.Second

func (w *windows) get(space ipam.SpaceID, now time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.of[space].conflict) > conflictMemory {
		delete(w.of, space)
	}
	return max(1, w.of[space].width)
}

func (w *windows) conflict(space ipam.SpaceID, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = make(map[ipam.SpaceID]window)
	}
	w.of[space] = window{min(maxWindow, max(2, 2*w.of[space].width)), now}
}

func (w *windows) success(space ipam.SpaceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := w.of[space]; at.width > 2 {
		at.width -= at.width/32 + 1
		w.of[space] = at
	} else {
		delete(w.of, space)
	}
}
