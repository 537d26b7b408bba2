package ops

import (
	"os"
	"strings"
	"testing"
)

// The estimate of the costs counts the alarms that the docs list.
func TestCostKnowsTheAlarms(t *testing.T) {
	b, err := os.ReadFile("../../infra/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- alarms:")
	list, _, ok := strings.Cut(rest, "<!-- /alarms -->")
	if n := strings.Count(list, "\n| `"); !ok || n != alarmCount {
		t.Errorf("the estimate counts %d alarms, the docs list %d", alarmCount, n)
	}
}
