// Package ipam is the core of Cadastre: the vocabulary of address management
// (IPAM, scope, pool, CIDR, allocation), the rules of a pool, and the decisions
// that take addresses out of a space and give them back.
//
// Everything here is pure. A decision is a function of a snapshot and a
// request, and returns changes. Nothing reads a clock, does I/O or takes a
// context. The store reads snapshots and writes changes.
package ipam
