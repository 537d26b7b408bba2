// Package architecture contains the tests of the dependencies between packages and
// of the rules for every package and document.
package architecture
