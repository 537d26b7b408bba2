package ipam

// State is the lifecycle state of an IPAM, scope, pool, resource discovery, or
// association of a discovery.
type State string

// The lifecycle states, as the EC2 API names them. A change that fits into one
// transaction ends in "-complete" at once.
const (
	StateCreateComplete   State = "create-complete"
	StateModifyComplete   State = "modify-complete"
	StateDeleteInProgress State = "delete-in-progress"
	StateDeleteComplete   State = "delete-complete"
)

// The states of an association of a resource discovery.
const (
	StateAssociateComplete    State = "associate-complete"
	StateDisassociateComplete State = "disassociate-complete"
)

// States lists all states.
var States = []State{StateCreateComplete, StateModifyComplete, StateDeleteInProgress, StateDeleteComplete, StateAssociateComplete, StateDisassociateComplete}

// Act is an action on an object with a lifecycle.
type Act uint8

// The acts.
const (
	ActUse         Act = iota + 1 // allocate from it, provision to it, create children in it, tag it
	ActModify                     // change its settings
	ActDelete                     // delete it at once
	ActBeginDelete                // begin a cascading delete, or request it again
)

// Acts lists the acts.
var Acts = []Act{ActUse, ActModify, ActDelete, ActBeginDelete}

// transitions is the table of lifecycle changes: for a state, the next state of
// each act. The state does not admit an absent act.
var transitions = map[State]map[Act]State{
	StateCreateComplete: {
		ActUse:         StateCreateComplete,
		ActModify:      StateModifyComplete,
		ActDelete:      StateDeleteComplete,
		ActBeginDelete: StateDeleteInProgress,
	},
	StateModifyComplete: {
		ActUse:         StateModifyComplete,
		ActModify:      StateModifyComplete,
		ActDelete:      StateDeleteComplete,
		ActBeginDelete: StateDeleteInProgress,
	},
	StateDeleteInProgress: {
		ActDelete:      StateDeleteComplete, // the worker's last step
		ActBeginDelete: StateDeleteInProgress,
	},
	StateAssociateComplete: {
		ActUse:    StateAssociateComplete,
		ActDelete: StateDisassociateComplete,
	},
}

// After returns the state that follows s after act, and false if s does not
// admit act.
func (s State) After(act Act) (State, bool) {
	next, ok := transitions[s][act]
	return next, ok
}

// Admitting returns the names of the states that admit act, for conditions.
func Admitting(act Act) []string {
	var names []string
	for _, s := range States {
		if _, ok := s.After(act); ok {
			names = append(names, string(s))
		}
	}
	return names
}

// Require returns IncorrectState if the object's state does not admit act.
func (m *Meta) Require(act Act) error {
	if _, ok := m.State.After(act); ok {
		return nil
	}
	return Errorf(CodeIncorrectState, "The specified action is not valid for %s. It is in state %s; only an object in state %s or %s can be used or changed.", m.ID, m.State, StateCreateComplete, StateModifyComplete)
}
