package migration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ReadJSON reads a document that [Document.WriteJSON] wrote, or another program. An error
// concerns the whole file.
func ReadJSON(r io.Reader) (*Document, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var document Document
	if err := d.Decode(&document); err != nil {
		return nil, fmt.Errorf("the file is no document of an IPAM: %w", err)
	}
	if document.Format != Format {
		return nil, fmt.Errorf("the member format is %q; this version reads %q", document.Format, Format)
	}
	if err := d.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file has more than one document")
	}
	for _, s := range document.Scopes {
		if s == nil {
			return nil, errors.New("a scope is null")
		}
		if slices.Contains(s.Resources, nil) || slices.Contains(s.Allocations, nil) {
			return nil, fmt.Errorf("a resource or allocation of the scope %q is null", s.Name)
		}
		for _, p := range s.Pools {
			if p == nil {
				return nil, fmt.Errorf("a pool of the scope %q is null", s.Name)
			}
			for _, a := range p.Allocations {
				if a == nil {
					return nil, fmt.Errorf("an allocation of the pool %q is null", p.Name)
				}
			}
		}
	}
	return &document, nil
}

// WriteJSON writes the document as JSON.
func (d *Document) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
