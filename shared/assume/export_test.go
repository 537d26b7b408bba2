package assume

// Sessions returns how many sessions are kept.
func (r *Role) Sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}
