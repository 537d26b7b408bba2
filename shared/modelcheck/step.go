package modelcheck

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cadastre-ipam/cadastre/shared/table"
	"github.com/cadastre-ipam/cadastre/shared/table/tabletest"
)

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
		r := reply{items: map[table.Key]table.Item{}}
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
		var read part
		if pr.parts[query] != nil {
			read = *pr.parts[query]
		}
		row, value, ok := s.row(from.table, c.query, read.rows)
		if ok {
			read.rows = append(slices.Clip(read.rows), row)
			read.text += row.Key.String() + ":" + strconv.Itoa(value) + "\n"
		}
		switch {
		case !ok:
			s.answer(from, by, s.reply(read.text, reply{rows: read.rows}), visit)
		case len(read.rows) == c.query.Limit:
			s.answer(from, by, s.reply(read.text+"more", reply{rows: read.rows, next: row.Key.SK}), visit)
		default:
			from.procs[p].parts[query] = s.part(read.text, read)
			by.note = "reads " + row.Key.String()
			visit(from, by, "")
		}
	case transact:
		s.commit(from, by, visit)
	}
}

// row returns the next row of a query, and the number of its item.
func (s *Search) row(w *world, q table.Query, rows []table.Row) (table.Row, int, bool) {
	if len(rows) > 0 {
		q.After = rows[len(rows)-1].Key.SK
	}
	q.Limit = 1
	next, _, err := w.table.Query(context.Background(), q)
	if err != nil {
		panic(err) // the table in memory has none
	}
	if len(next) == 0 {
		return table.Row{}, 0, false
	}
	n := s.value(w, next[0].Key)
	return table.Row{Key: next[0].Key, Item: s.values[n]}, n, true
}

// value returns the number of the item at a key.
func (s *Search) value(w *world, k table.Key) int {
	v, ok := w.values[k]
	if !ok {
		v = s.number(w.item(k))
		w.values[k] = v
	}
	return v
}

func (s *Search) number(i table.Item) int {
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

// node returns the node of a process after a history. Answers to calls of different
// kinds reach the same node in any order.
func (s *Search) node(p int, h history) *node {
	key := h.key()
	known, ok := s.nodes[p][key]
	if !ok {
		known = s.replay(s.Processes[p], h)
		s.nodes[p][key] = known
	}
	return known
}

// after returns the node that a process reaches from a node by an answer.
func (s *Search) after(p int, from *node, by answered) *node {
	next, ok := from.next[by]
	if !ok {
		next = s.node(p, from.history.with(by.kind, by.reply))
		if from.next == nil {
			from.next = map[answered]*node{}
		}
		from.next[by] = next
	}
	return next
}

// begin records that the request of a process is in progress: it reads an item that others
// may change.
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
	pr.at = s.after(by.proc, was, answered{by.call.kind, r})
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
	problem := s.checkAnswer(*pr, pr.at.ended[len(was.ended)])
	*pr = progress{at: pr.at}
	visit(st, by, problem)
}

var errAnswerLost = errors.New("the answer was lost")

// commit visits the outcomes of a transaction.
func (s *Search) commit(from state, by step, visit func(state, step, string)) {
	after := s.apply(from.table, from.procs[by.proc].at, by.call)
	wrong := ""
	outcome := func(st state, by step, key string, r reply, fault bool) {
		if fault {
			s.disturb(&st.procs[by.proc])
			st.faults++
		}
		s.answer(st, by, s.reply(key, r), func(to state, by step, problem string) {
			visit(to, by, cmp.Or(wrong, problem))
		})
	}
	if int(from.faults) < s.Faults {
		by := by
		by.note = "not applied, and the answer is lost"
		outcome(from, by, "lost", reply{err: errAnswerLost}, true)
	}
	if after.err != nil {
		by.note = "refused: " + after.err.Error()
		outcome(from, by, after.err.Error(), reply{err: after.err}, false)
		return
	}
	wrong = after.wrong
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

func (s *Search) disturb(pr *progress) {
	if int(pr.disturbed) < s.Tries {
		pr.disturbed++
	}
}

// torn visits, for the processes from p on, every combination of their reads before a commit
// of the items that the commit changes.
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
		var may []table.Key
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
			items := map[table.Key]int{}
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

func (s *Search) itemsKey(keys []table.Key, items map[table.Key]int) string {
	var b strings.Builder
	for _, k := range keys {
		if v, ok := items[k]; ok {
			fmt.Fprintf(&b, "%s=%d\n", k, v)
		}
	}
	return b.String()
}

// application is a transaction on a table. The process at the node waits in it.
type application struct {
	on   *world
	from *node
}

type applied struct {
	err     error  // nothing was written
	wrong   string // its fault, "" if it has none
	table   *world
	changed map[table.Key]bool // the keys of changed items
}

func (s *Search) apply(w *world, from *node, c *call) *applied {
	k := application{w, from}
	if known, ok := s.applied[k]; ok {
		return known
	}
	db := w.table.Clone()
	a := &applied{changed: map[table.Key]bool{}}
	s.applied[k] = a
	if a.err = db.Transact(context.Background(), c.writes); a.err != nil {
		return a
	}
	a.table = s.intern(db)
	a.wrong = w.wrongAfter(a.table)
	for _, write := range c.writes {
		if s.value(w, write.Key) != s.value(a.table, write.Key) {
			a.changed[write.Key] = true
		}
	}
	return a
}

func (s *Search) intern(m *tabletest.Memory) *world {
	h := m.Hash()
	known, ok := s.tables[h]
	if !ok {
		known = &world{search: s, table: m, values: map[table.Key]int{}}
		s.tables[h] = known
	}
	return known
}

type excused struct {
	request, ended string
	in             *world
}

// excusesIn returns the excuses of a request that hold in a table, one bit each.
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
