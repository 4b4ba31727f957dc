package feed

// Followers returns how many followers a room has, in how long an array, and how many readers it counts
// altogether.
func (f *Feed) Followers(name string) (followers, array, readers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rooms[name]
	if r == nil {
		return 0, 0, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.followers), cap(r.followers), r.waiting
}
