package stacks

import "fmt"

// Concurrency limits the invocations of the background functions at one time, so that
// they leave the rest of the account's concurrency to the API. A new account may have
// as little as 10 (Lambda Developer Guide, "Lambda quotas").
type Concurrency struct {
	Discovery    int `json:"discovery"`    // reads of an account and Region, from the queue of the schedule
	Changes      int `json:"changes"`      // batches of EC2's events, from their queue
	Compliance   int `json:"compliance"`   // scans of a scope
	Requests     int `json:"requests"`     // batches of requests on the bus
	Provisioning int `json:"provisioning"` // batches of one shard of the table's stream, for work of more than one transaction
}

// DefaultConcurrency returns the default limits. Those for the owner account alone are
// the lowest that Lambda takes, but for Provisioning. Those for more accounts suit
// some hundred accounts and Regions.
func DefaultConcurrency(manyAccounts bool) Concurrency {
	if manyAccounts {
		return Concurrency{Discovery: 20, Changes: 5, Compliance: 5, Requests: 2, Provisioning: 10}
	}
	return Concurrency{Discovery: 2, Changes: 2, Compliance: 2, Requests: 2, Provisioning: 2}
}

// Lambda's limits of an event source mapping: maximum concurrency of an SQS queue, and
// parallelization factor of a stream (Lambda API Reference, "ScalingConfig" and
// "CreateEventSourceMapping").
const (
	minQueue, maxQueue   = 2, 1000
	minStream, maxStream = 1, 10
)

// Check returns an error if Lambda does not take one of the limits.
func (c Concurrency) Check() error {
	for _, l := range []struct {
		name            string
		value, min, max int
	}{
		{"discovery", c.Discovery, minQueue, maxQueue},
		{"changes", c.Changes, minQueue, maxQueue},
		{"compliance", c.Compliance, minQueue, maxQueue},
		{"requests", c.Requests, minQueue, maxQueue},
		{"provisioning", c.Provisioning, minStream, maxStream},
	} {
		if l.value < l.min || l.value > l.max {
			return fmt.Errorf("%s is %d, and Lambda takes %d to %d", l.name, l.value, l.min, l.max)
		}
	}
	return nil
}

// history is the limit of the history function: one batch of a shard of the table's
// stream, because events keep the order of changes.
const history = 1

// Total returns the number of invocations of all background functions at one time. The
// stream is counted with one shard.
func (c Concurrency) Total() int {
	return c.Discovery + c.Changes + c.Compliance + c.Requests + c.Provisioning + history
}
