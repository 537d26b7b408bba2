package migration

import "net/netip"

// space is a set of CIDRs of one or both families, each with a user. The zero space is
// empty.
type space[T any] struct{ v4, v6 node[T] }

// node is a node of a binary tree: the path from the root is a CIDR's bits.
type node[T any] struct {
	child [2]*node[T]
	user  *T // of the CIDR that ends here
}

func (s *space[T]) root(p netip.Prefix) *node[T] {
	if p.Addr().Is4() {
		return &s.v4
	}
	return &s.v6
}

// bit returns bit i of an address, counted from the most significant.
func bit(a netip.Addr, i int) int {
	b := a.As16()
	if a.Is4() {
		i += 96
	}
	return int(b[i/8]>>(7-i%8)) & 1
}

// put adds a CIDR, or gives it another user.
func (s *space[T]) put(p netip.Prefix, user T) {
	n := s.root(p)
	for i := range p.Bits() {
		next := &n.child[bit(p.Addr(), i)]
		if *next == nil {
			*next = new(node[T])
		}
		n = *next
	}
	n.user = &user
}

// get returns the user of exactly this CIDR, nil if the space does not have it.
func (s *space[T]) get(p netip.Prefix) *T {
	n := s.root(p)
	for i := 0; i < p.Bits() && n != nil; i++ {
		n = n.child[bit(p.Addr(), i)]
	}
	if n == nil {
		return nil
	}
	return n.user
}

// over returns the user of the smallest CIDR that contains p, also p itself, nil if none
// does.
func (s *space[T]) over(p netip.Prefix) *T {
	n := s.root(p)
	user := n.user
	for i := range p.Bits() {
		if n = n.child[bit(p.Addr(), i)]; n == nil {
			break
		}
		if n.user != nil {
			user = n.user
		}
	}
	return user
}

// overlap returns the user of a CIDR that contains p, or else of the first one inside p,
// nil if there is none.
//
//	p            |----|           |--------|
//	the user  |----------|          |--|
func (s *space[T]) overlap(p netip.Prefix) *T {
	n := s.root(p)
	for i := range p.Bits() {
		if n.user != nil {
			return n.user
		}
		if n = n.child[bit(p.Addr(), i)]; n == nil {
			return nil
		}
	}
	var first *T
	n.each(func(user *T) bool { first = user; return false })
	return first
}

// each calls f with each user of a CIDR that overlaps p, until f returns false.
func (s *space[T]) each(p netip.Prefix, f func(*T) bool) {
	n := s.root(p)
	for i := range p.Bits() {
		if n.user != nil && !f(n.user) {
			return
		}
		if n = n.child[bit(p.Addr(), i)]; n == nil {
			return
		}
	}
	n.each(f)
}

func (n *node[T]) each(f func(*T) bool) bool {
	if n == nil {
		return true
	}
	return (n.user == nil || f(n.user)) && n.child[0].each(f) && n.child[1].each(f)
}
