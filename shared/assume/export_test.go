package assume

// Sessions returns the number of kept sessions.
func (r *Role) Sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}
