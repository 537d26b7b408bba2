// Package modelcheck searches, exhaustively, the ways in which a few processes
// that use the store at once can get into each other's way.
//
// The processes run the real store. They are functions of what the table
// answers them, so where a process stands is its history of answers: the search
// keeps histories, and finds what a process does next by running it again on
// its history, once for each. A state of the search is a table, a history for
// each process, and what it takes to judge the requests in progress. From each
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
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadastre-ipam/cadastre/shared/store"
	"github.com/cadastre-ipam/cadastre/shared/store/storetest"
)

// most is how many processes a search may have.
const most = 3

// Search is a search's subject. Its fields must not change once it has run.
type Search struct {
	Start     *storetest.Memory
	Universe  netip.Prefix // where space is given and taken: few addresses
	Pools     []string     // the pools that may hold space in it, by id
	Processes []Process    // at most 3
	Faults    int          // how many answers are lost and processes cut down, at most, in one run
	Now       time.Time
	Tries     int // as in store.Options
	Room      int // as in store.Options
	// Broken, if set, wraps the table of every process and of the reconciler:
	// it breaks a rule of the protocols.
	Broken func(store.Table) store.Table

	first   *world
	tables  map[[32]byte]*world
	nodes   [most]map[string]*node
	replies map[string]*reply
	values  []store.Item   // by value number; 0 is an absent item
	numbers map[string]int // of values, by their text
	parts   map[string]*part
	applied map[application]*applied
	excuses map[excused]uint16
	writes  [most]map[store.Key]bool // what a process was seen to write
}

// Result is what a search found.
type Result struct {
	States int // different states
	Tables int // different contents of the table
	Ends   int // different states in which all processes have ended
	Passes int // searches until it was known who writes what
	// Violation says what is wrong and gives the shortest sequence of steps that
	// leads there; "" if nothing is.
	Violation string
}

type state struct {
	table  *world
	faults int8
	procs  [most]progress
}

// progress is where a process stands, and what judging its request in progress
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
	items map[store.Key]int // value numbers
	rows  []store.Row
}

// step is how a state was reached.
type step struct {
	from int // index of the state before
	proc int
	call *call
	note string
}

// Run searches. It must not be called in a subtest's bubble of
// testing/synctest, as it makes its own.
func (s *Search) Run(t *testing.T) (r Result) {
	s.tables = map[[32]byte]*world{}
	s.replies = map[string]*reply{}
	s.values, s.numbers = []store.Item{nil}, map[string]int{"": 0}
	s.parts = map[string]*part{}
	s.applied = map[application]*applied{}
	s.excuses = map[excused]uint16{}
	for p := range s.Processes {
		s.nodes[p] = map[string]*node{}
		s.writes[p] = map[store.Key]bool{}
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
	for i := 0; i < len(states); i++ {
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

// names replaces ids and keys by what a reader knows them by.
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
				store.CIDRKey(pool, p).String(), fmt.Sprintf("CIDR %s of %s", p, name))
		}
	}
	for i, pool := range s.Pools {
		pairs = append(pairs, pool, fmt.Sprintf("pool %d", i+1))
	}
	return strings.NewReplacer(pairs...)
}

// expand visits what may follow a state, with what is wrong about the answer
// that a step led to, if anything.
func (s *Search) expand(from state, writes [most]map[store.Key]bool, visit func(state, step, string)) {
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
func (s *Search) local(from state, p int, c *call, writes [most]map[store.Key]bool) bool {
	if c.kind == transact {
		return false
	}
	for q := range s.Processes {
		if q == p || from.procs[q].at.request == nil {
			continue
		}
		switch c.kind {
		case batchGet:
			for _, k := range c.keys {
				if writes[q][k] {
					return false
				}
			}
		case query:
			for k := range writes[q] {
				if k.PK == c.query.PK && c.query.From <= k.SK && (c.query.To == "" || k.SK <= c.query.To) {
					return false
				}
			}
		}
	}
	return true
}

// take makes a process's next step.
func (s *Search) take(from state, p int, c *call, local bool, visit func(state, step, string)) {
	by := step{proc: p, call: c}
	pr := from.procs[p]
	if !local {
		s.begin(&from, p)
	}
	switch c.kind {
	case pick:
		for i := range c.n {
			r := s.reply(fmt.Sprint("picked ", i), reply{picked: i})
			by.note = fmt.Sprintf("picks %d", i)
			s.answer(from, by, r, visit)
		}
	case batchGet:
		var key strings.Builder
		r := reply{items: map[store.Key]store.Item{}}
		for _, k := range c.keys {
			v, early := 0, false
			if pr.parts[batchGet] != nil {
				v, early = pr.parts[batchGet].items[k]
			}
			if !early {
				v = s.value(from.table, k)
			}
			if v != 0 {
				r.items[k] = s.values[v]
			}
			fmt.Fprintf(&key, "%s=%d\n", k, v)
		}
		s.answer(from, by, s.reply(key.String(), r), visit)
	case query:
		var rows []store.Row
		if pr.parts[query] != nil {
			rows = pr.parts[query].rows
		}
		row, ok := s.row(from.table, c.query, rows)
		if ok {
			rows = append(slices.Clip(rows), row)
		}
		key := s.rowsKey(rows)
		switch {
		case !ok:
			s.answer(from, by, s.reply(key, reply{rows: rows}), visit)
		case len(rows) == c.query.Limit:
			s.answer(from, by, s.reply(key+"more", reply{rows: rows, next: row.Key.SK}), visit)
		default:
			from.procs[p].parts[query] = s.part(key, part{rows: rows})
			by.note = "reads " + row.Key.String()
			visit(from, by, "")
		}
	case transact:
		s.commit(from, by, visit)
	}
}

// row returns the next row of a query.
func (s *Search) row(w *world, q store.Query, rows []store.Row) (store.Row, bool) {
	if len(rows) > 0 {
		q.After = rows[len(rows)-1].Key.SK
	}
	q.Limit = 1
	next, _, err := w.table.Query(context.Background(), q)
	if err != nil {
		panic(err) // the table in memory has none
	}
	if len(next) == 0 {
		return store.Row{}, false
	}
	return store.Row{Key: next[0].Key, Item: s.values[s.value(w, next[0].Key)]}, true
}

func (s *Search) rowsKey(rows []store.Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s:%d\n", r.Key, s.number(r.Item))
	}
	return b.String()
}

// value returns the number of what stands at a key.
func (s *Search) value(w *world, k store.Key) int {
	v, ok := w.values[k]
	if !ok {
		v = s.number(w.item(k))
		w.values[k] = v
	}
	return v
}

func (s *Search) number(i store.Item) int {
	if i == nil {
		return 0
	}
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // plain data
	}
	n, ok := s.numbers[string(text)]
	if !ok {
		n = len(s.values)
		s.numbers[string(text)] = n
		s.values = append(s.values, i)
	}
	return n
}

func (s *Search) reply(key string, r reply) *reply {
	known, ok := s.replies[key]
	if !ok {
		r.id = len(s.replies)
		known = &r
		s.replies[key] = known
	}
	return known
}

func (s *Search) part(key string, p part) *part {
	known, ok := s.parts[key]
	if !ok {
		known = &p
		s.parts[key] = known
	}
	return known
}

func (s *Search) node(p int, h history) *node {
	key := h.key()
	known, ok := s.nodes[p][key]
	if !ok {
		known = s.replay(s.Processes[p], h)
		s.nodes[p][key] = known
	}
	return known
}

// begin notes that the request of a process is in progress: it reads what
// others may change.
func (s *Search) begin(st *state, p int) {
	if pr := &st.procs[p]; !pr.begun {
		pr.begun = true
		pr.seen = s.excusesIn(pr.at.request, st.table)
	}
}

// answer gives a process the reply to a call and visits the state that it goes
// to.
func (s *Search) answer(st state, by step, r *reply, visit func(state, step, string)) {
	pr := &st.procs[by.proc]
	was := pr.at
	pr.at = s.node(by.proc, was.history.with(by.call.kind, r))
	if by.call.kind <= query {
		pr.parts[by.call.kind] = nil
	}
	if len(pr.at.ended) == len(was.ended) {
		visit(st, by, "")
		return
	}
	if len(pr.at.ended) > len(was.ended)+1 {
		panic("modelcheck: two requests ended in one step")
	}
	if !pr.begun {
		pr.seen = s.excusesIn(was.request, st.table)
	}
	problem := s.judge(*pr, pr.at.ended[len(was.ended)])
	*pr = progress{at: pr.at}
	visit(st, by, problem)
}

var errAnswerLost = errors.New("the answer was lost")

// commit visits the outcomes of a transaction.
func (s *Search) commit(from state, by step, visit func(state, step, string)) {
	after := s.apply(from.table, from.procs[by.proc].at, by.call)
	outcome := func(st state, by step, key string, r reply, fault bool) {
		if fault {
			s.disturb(&st.procs[by.proc])
			st.faults++
		}
		s.answer(st, by, s.reply(key, r), visit)
	}
	if after.err != nil {
		by.note = "refused: " + after.err.Error()
		outcome(from, by, after.err.Error(), reply{err: after.err}, false)
	} else {
		for k := range after.changed {
			s.writes[by.proc][k] = true
		}
		s.torn(from, by, after, 0, func(st state, by step) {
			st.table = after.table
			for p := range s.Processes {
				if pr := &st.procs[p]; pr.begun && after.table != from.table {
					pr.seen |= s.excusesIn(pr.at.request, st.table)
					if p != by.proc {
						s.disturb(pr)
					}
				}
			}
			note := by.note
			outcome(st, by, "applied", reply{}, false)
			if int(st.faults) < s.Faults {
				by.note = note + "applied, but the answer is lost"
				outcome(st, by, "lost", reply{err: errAnswerLost}, true)
				by.note = note + "applied, but the process is cut down"
				outcome(st, by, "cut", reply{cut: true}, true)
			}
		})
	}
	if int(from.faults) < s.Faults {
		by.note = "not applied, and the answer is lost"
		outcome(from, by, "lost", reply{err: errAnswerLost}, true)
	}
}

func (s *Search) disturb(pr *progress) {
	if int(pr.disturbed) < s.Tries {
		pr.disturbed++
	}
}

// torn visits, for processes from p on, every way in which they may have read
// before a commit what it changes.
func (s *Search) torn(st state, by step, after *applied, p int, visit func(state, step)) {
	if p == len(s.Processes) {
		visit(st, by)
		return
	}
	s.torn(st, by, after, p+1, visit)
	if p == by.proc {
		return
	}
	pr := st.procs[p]
	for _, c := range pr.at.waits {
		if c.kind != batchGet {
			continue
		}
		var may []store.Key
		for _, k := range c.keys {
			early := false
			if pr.parts[batchGet] != nil {
				_, early = pr.parts[batchGet].items[k]
			}
			if after.changed[k] && !early && !slices.Contains(may, k) {
				may = append(may, k)
			}
		}
		for set := 1; set < 1<<len(may); set++ {
			items := map[store.Key]int{}
			if pr.parts[batchGet] != nil {
				maps.Copy(items, pr.parts[batchGet].items)
			}
			note := by.note + s.Processes[p].Name + " has read before it:"
			for i, k := range may {
				if set>>i&1 == 1 {
					items[k] = s.value(st.table, k)
					note += " " + k.String() + ";"
				}
			}
			torn := st
			s.begin(&torn, p)
			torn.procs[p].parts[batchGet] = s.part(s.itemsKey(c.keys, items), part{items: items})
			by := by
			by.note = note + "\n      "
			s.torn(torn, by, after, p+1, visit)
		}
	}
}

func (s *Search) itemsKey(keys []store.Key, items map[store.Key]int) string {
	var b strings.Builder
	for _, k := range keys {
		if v, ok := items[k]; ok {
			fmt.Fprintf(&b, "%s=%d\n", k, v)
		}
	}
	return b.String()
}

// application is a transaction on a table: the one that a process at a node
// waits in.
type application struct {
	on   *world
	from *node
}

type applied struct {
	err     error // nothing was written
	table   *world
	changed map[store.Key]bool // keys at which something else stands now
}

func (s *Search) apply(w *world, from *node, c *call) *applied {
	k := application{w, from}
	if known, ok := s.applied[k]; ok {
		return known
	}
	table := w.table.Clone()
	a := &applied{changed: map[store.Key]bool{}}
	s.applied[k] = a
	if a.err = table.Transact(context.Background(), c.writes); a.err != nil {
		return a
	}
	a.table = s.intern(table)
	for _, write := range c.writes {
		if s.value(w, write.Key) != s.value(a.table, write.Key) {
			a.changed[write.Key] = true
		}
	}
	return a
}

func (s *Search) intern(m *storetest.Memory) *world {
	h := m.Hash()
	known, ok := s.tables[h]
	if !ok {
		known = &world{search: s, table: m, values: map[store.Key]int{}}
		s.tables[h] = known
	}
	return known
}

type excused struct {
	request, ended string
	in             *world
}

// excusesIn returns which excuses of a request hold in a table.
func (s *Search) excusesIn(r *Request, w *world) uint16 {
	k := excused{r.Text, r.ended, w}
	set, ok := s.excuses[k]
	if !ok {
		for i, e := range r.excuses {
			if e.holds(w) {
				set |= 1 << i
			}
		}
		s.excuses[k] = set
	}
	return set
}
