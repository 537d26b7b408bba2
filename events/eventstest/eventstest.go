// Package eventstest checks events against their schemas.
package eventstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cadastre-ipam/cadastre/events"
)

// Validate checks an event, in the form in which EventBridge delivers it, against the
// schema of its detail-type. A schema admits unknown members, as consumers must. But
// Cadastre must describe every member that it sends, so an unknown member of the detail
// is an error here.
func Validate(event []byte) error {
	var named struct {
		DetailType events.Name `json:"detail-type"`
		Detail     map[string]any
	}
	if err := json.Unmarshal(event, &named); err != nil {
		return err
	}
	text, err := events.Schema(named.DetailType)
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("schema of %q: %w", named.DetailType, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", document); err != nil {
		return fmt.Errorf("schema of %q: %w", named.DetailType, err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		return fmt.Errorf("schema of %q: %w", named.DetailType, err)
	}
	if schema.DraftVersion != 2020 {
		return fmt.Errorf("schema of %q: the draft is %d", named.DetailType, schema.DraftVersion)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return err
	}
	if err := schema.Validate(instance); err != nil {
		return err
	}
	known := schema.Properties["detail"].Properties
	for _, member := range slices.Sorted(maps.Keys(named.Detail)) {
		if known[member] == nil {
			return fmt.Errorf("the schema of %q does not have the member %s", named.DetailType, member)
		}
	}
	return nil
}
