// Package modelcheck searches, exhaustively, the ways in which a few processes
// that use the store at once can get into each other's way.
//
// The processes run the real store. They are functions of what the table
// answers them, so where a process stands is its history of answers: the search
// keeps histories, and finds what a process does next by running it again on
// its history, once for each. A state of the search is a table, a history for
// each process, and what it takes to evaluate the requests in progress. From each
// state every process goes on in every way:
//
//   - Every item is read at a moment of its own. The items of a batch-get are
//     read in any order and with any commits of others in between; as reads
//     commute, only whether an item was read before or after a commit that
//     changes it makes a difference, and both are tried. A query reads one row
//     after the other.
//   - A transaction is one step. If faults are left it may also be applied with
//     the answer lost, not be applied with the answer lost, or be the last act
//     of its process, which is cut down before the answer arrives.
//   - A choice among positions falls on each of them.
//
// What no other process that is still running ever writes is read at once
// (it commutes with all that they do). Which keys those are is found by searching
// again until no process writes anything that it was not known to write.
//
// After each commit the table must be in order, and each request's answer must
// have been true at some moment while the request was in progress. At the end
// the answers must agree with the table, and once the reconciler has run, no
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

// Search is a search's subject. Its fields must not change once it has run.
type Search struct {
	Start     *tabletest.Memory
	Universe  netip.Prefix // where space is given and taken: few addresses
	Pools     []string     // the pools that may hold space in it, by id
	Processes []Process    // at most 3
	Faults    int          // how many answers are lost and processes cut down, at most, in one run
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
	// Limit ends each pass after that many states, the nearest first; 0: none.
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
	writes  [most]map[table.Key]bool // what a process was seen to write
}

// Result is what a search found.
type Result struct {
	States int // different states
	Tables int // different contents of the table
	Ends   int // different states in which all processes have ended
	Passes int // searches until it was known who writes what
	// Violation says what is wrong and tells a shortest sequence of steps that
	// leads there; "" if nothing is.
	Violation string
}

type state struct {
	table  *world
	faults int8
	procs  [most]progress
}

// progress is where a process stands, and what checking its request in progress
// takes.
type progress struct {
	at        *node
	parts     [query + 1]*part // what was read of the batch-get and of the query that it waits in
	begun     bool             // whether the request has read anything that others may change
	disturbed int8             // commits of others since it began, and faults; no more than Tries are counted
	seen      uint16           // which of the request's excuses held at some moment since it began
}

// part is what was read of a call that goes on. Equal ones are the same
// pointer.
type part struct {
	items map[table.Key]int // value numbers
	rows  []table.Row
	text  string // the keys and value numbers of rows
}

// step is how a state was reached.
type step struct {
	from int // index of the state before
	proc int
	call *call
	note string
}

// Run searches, in a bubble of testing/synctest of its own: that is how it knows
// that a process waits.
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
		// What a pass finds counts only if it knew who writes what.
		for known := -1; known < s.known(); {
			known = s.known()
			passes := r.Passes + 1
			r = s.pass()
			r.Passes = passes
		}
	})
	return r
}

// known counts what processes are known to write.
func (s *Search) known() int {
	n := 0
	for _, w := range s.writes {
		n += len(w)
	}
	return n
}

// pass searches breadth first, taking it that processes write no more than what
// they were seen to write in the passes before.
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

// trace tells the steps to the last of steps.
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

// names replaces ids and keys by what a reader knows them by: pools by their
// place in Pools.
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

// expand visits what may follow a state, with what is wrong about the answer
// that a step led to, if anything.
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

// local reports whether a call commutes with all that other processes do.
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
