// Package modelcheck searches all interleavings of a few processes that use the store at
// the same time.
//
// The processes run the real store. The answers of the table decide on each call of a
// process, so the history of its answers is the process's position. The search keeps
// histories. It finds the next call of a process by running it again on its history, once
// for each history. A state of the search is a table, a history for each process, and the
// data that the check of the requests in progress needs. From each state every process
// continues in every way:
//
//   - Every item is read at its own moment. The items of a batch-get are
//     read in any order, with any commits of others in between. As reads
//     commute, it only matters whether an item was read before or after a
//     commit that changes it. The search tries both. A query reads one row
//     after the other.
//   - A transaction is one step. If faults are left, it may also be applied with
//     the answer lost, not be applied with the answer lost, or be the last call
//     of its process, which stops before the answer arrives.
//   - A choice among positions takes each of them.
//
// A process reads a key at once if no other running process ever writes it, because the
// read commutes with all their calls. The search learns these keys by repetition: it runs
// again until no process writes a key that it was not known to write.
//
// After each commit the table must be consistent, and each request's answer must
// have been true at some moment while the request was in progress. At the end
// the answers must agree with the table, and after a run of the reconciler no
// space may be lost.
package modelcheck

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
	"github.com/cadastre-ipam/cadastre/shared/items"
	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

// most is how many processes a search may have.
const most = 3

// Search is the input of a search. Its fields must not change after it has run.
type Search struct {
	Start     *tabletest.Memory
	Universe  netip.Prefix // all space that the processes use: few addresses
	Pools     []string     // the pools that may hold space in it, by id
	Processes []Process    // at most 3
	Faults    int          // the largest number of lost answers and stopped processes in one run
	Now       time.Time
	Tries     int // as in store.Options
	Room      int // as in store.Options
	// CIDRsPerPool is the quota of that name, the default one if it is 0.
	CIDRsPerPool int64
	// Discovery watches resources, in Scope, for IPAMs; "" and nil if nothing is
	// watched.
	Discovery *ipam.Discovery
	IPAMs     []*ipam.IPAM
	Scope     string
	// Limit ends each pass after that many states, the nearest first; 0 is no limit.
	Limit int
	// Broken, if set, wraps the table of every process and of the reconciler:
	// it breaks a rule of the protocols.
	Broken func(table.Table) table.Table

	first   *world
	tables  map[[32]byte]*world
	nodes   [most]map[string]*node
	replies map[string]*reply
	values  []table.Item   // by value number; 0 is an absent item
	numbers map[string]int // of values, by their text
	parts   map[string]*part
	applied map[application]*applied
	excuses map[excused]uint16
	writes  [most]map[table.Key]bool // the keys that a process is known to write
}

// Result is the result of a search.
type Result struct {
	States int // different states
	Tables int // different contents of the table
	Ends   int // different states in which all processes have ended
	Passes int // searches until the keys that each process writes were known
	// Violation names a fault and a shortest sequence of steps that leads to it; ""
	// if there is none.
	Violation string
}

type state struct {
	table  *world
	faults int8
	procs  [most]progress
}

// progress is the position of a process, and the data that the check of its request in
// progress needs.
type progress struct {
	at        *node
	parts     [query + 1]*part // the part that was read of the batch-get and of the query that it waits in
	begun     bool             // whether the request has read anything that others may change
	disturbed int8             // commits of others since it began, and faults; no more than Tries are counted
	seen      uint16           // the request's excuses that held at some moment since it began, one bit each
}

// part is the part of a call in progress that was read. Equal parts are the same pointer.
type part struct {
	items map[table.Key]int // value numbers
	rows  []table.Row
	text  string // the keys and value numbers of rows
}

// step is the last step to a state.
type step struct {
	from int // index of the state before
	proc int
	call *call
	note string
}

// Run searches in its own bubble of testing/synctest. The bubble shows when a process waits.
func (s *Search) Run(t *testing.T) (r Result) {
	s.tables = map[[32]byte]*world{}
	s.replies = map[string]*reply{}
	s.values, s.numbers = []table.Item{nil}, map[string]int{"": 0}
	s.parts = map[string]*part{}
	s.applied = map[application]*applied{}
	s.excuses = map[excused]uint16{}
	for p := range s.Processes {
		s.nodes[p] = map[string]*node{}
		s.writes[p] = map[table.Key]bool{}
	}
	synctest.Test(t, func(*testing.T) {
		// The result of a pass counts only if all written keys were known.
		for known := -1; known < s.known(); {
			known = s.known()
			passes := r.Passes + 1
			r = s.pass()
			r.Passes = passes
		}
	})
	return r
}

// known counts the keys that processes are known to write.
func (s *Search) known() int {
	n := 0
	for _, w := range s.writes {
		n += len(w)
	}
	return n
}

// pass searches breadth first. It assumes that processes write only the keys that they wrote
// in the passes before.
func (s *Search) pass() Result {
	writes := s.writes
	for p := range writes {
		s.writes[p] = maps.Clone(writes[p])
	}
	s.first = s.intern(s.Start)
	first := state{table: s.first}
	for p := range s.Processes {
		first.procs[p].at = s.node(p, history{})
	}
	visited := map[state]bool{first: true}
	states := []state{first}
	steps := []step{{}}
	var r Result
	fail := func(problem string, steps []step) Result {
		r.States, r.Tables = len(states), len(s.tables)
		r.Violation = s.trace(problem, states, steps)
		return r
	}
	if p := first.table.problem(); p != "" {
		return fail("before the first step: "+p, steps)
	}
	for i := 0; i < len(states) && (s.Limit == 0 || len(states) < s.Limit); i++ {
		from := states[i]
		if s.ended(from) {
			r.Ends++
			if p := s.settled(from); p != "" {
				return fail(p, steps[:i+1])
			}
			continue
		}
		var problem string
		s.expand(from, writes, func(to state, by step, p string) {
			if problem != "" || p == "" && visited[to] {
				return
			}
			if p == "" {
				p = to.table.problem()
			}
			problem = p
			visited[to] = true
			by.from = i
			states, steps = append(states, to), append(steps, by)
		})
		if problem != "" {
			return fail(problem, steps)
		}
	}
	r.States, r.Tables = len(states), len(s.tables)
	return r
}

func (s *Search) ended(st state) bool {
	for p := range s.Processes {
		if st.procs[p].at.request != nil {
			return false
		}
	}
	return true
}

// trace describes a problem and the steps that lead to the last state.
func (s *Search) trace(problem string, states []state, steps []step) string {
	var lines []string
	for i := len(steps) - 1; i > 0; i = steps[i].from {
		by, before, after := steps[i], states[steps[i].from].procs[steps[i].proc].at, states[i].procs[steps[i].proc].at
		line := fmt.Sprintf("    %s, %s: %s", s.Processes[by.proc].Name, before.request.Text, by.call)
		if by.note != "" {
			line += "\n      " + by.note
		}
		if n := len(before.ended); n < len(after.ended) {
			line += "\n      answered: " + after.ended[n].String()
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return s.names().Replace(problem + "\n" + strings.Join(lines, "\n"))
}

// names replaces ids and keys by readable names: a pool by its number in Pools.
func (s *Search) names() *strings.Replacer {
	var pairs []string
	for i, pool := range s.Pools {
		name := fmt.Sprintf("pool %d", i+1)
		for p := range blocks(s.Universe) {
			_, free, _ := strings.Cut(freeKey(pool, p).String(), " ")
			_, taken, _ := strings.Cut(takenKey(pool, p).String(), " ")
			pairs = append(pairs,
				freeKey(pool, p).PK+" "+free, fmt.Sprintf("free %s of %s", p, name),
				takenKey(pool, p).PK+" "+taken, fmt.Sprintf("taken %s of %s", p, name),
				items.CIDRKey(pool, p).String(), fmt.Sprintf("CIDR %s of %s", p, name))
		}
	}
	for i, pool := range s.Pools {
		pairs = append(pairs, pool, fmt.Sprintf("pool %d", i+1))
	}
	return strings.NewReplacer(pairs...)
}

// expand visits the states that may follow a state, each with the step and the fault of the
// step's answer, "" if it has none.
func (s *Search) expand(from state, writes [most]map[table.Key]bool, visit func(state, step, string)) {
	for p := range s.Processes {
		for _, c := range from.procs[p].at.waits {
			if s.local(from, p, c, writes) {
				s.take(from, p, c, true, visit)
				return
			}
		}
	}
	for p := range s.Processes {
		for _, c := range from.procs[p].at.waits {
			s.take(from, p, c, false, visit)
		}
	}
}

// local reports whether a call commutes with all calls of other processes.
func (s *Search) local(from state, p int, c *call, writes [most]map[table.Key]bool) bool {
	for q := range s.Processes {
		if q == p || from.procs[q].at.request == nil {
			continue
		}
		switch c.kind {
		case batchGet:
			if slices.ContainsFunc(c.keys, func(k table.Key) bool { return writes[q][k] }) {
				return false
			}
		case query:
			for k := range writes[q] {
				if k.PK == c.query.PK && c.query.From <= k.SK && (c.query.To == "" || k.SK <= c.query.To) {
					return false
				}
			}
		case pick:
		case transact:
			return false
		}
	}
	return c.kind != transact
}
