// Package ipam is the core of Cadastre: the vocabulary of address management
// (IPAM, scope, pool, CIDR, allocation), the rules a pool imposes, and the
// decisions that take address space out of a space and give it back.
//
// Everything here is pure. A decision is a function of a snapshot and a request
// and returns a plan; nothing reads a clock, performs I/O or takes a context.
// The store reads snapshots and applies plans.
package ipam
