// Package architecture holds the tests of how the packages may depend on one
// another and of the rules that every package keeps.
package architecture
