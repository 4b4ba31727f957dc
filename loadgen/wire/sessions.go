package wire

import (
	"crypto/tls"
	"sync"
)

// Sessions are the TLS sessions of one user, who resumes the last one wherever a server allows it, as browsers and apps do.
// The zero value holds none. It is safe for concurrent use.
type Sessions struct {
	mu     sync.Mutex
	shared *tls.Config // that of the dialer for which own was made
	own    *tls.Config
	last   *tls.ClientSessionState // nil: there is none
	with   string                  // the name of the server that it is with
}

var _ tls.ClientSessionCache = (*Sessions)(nil)

// Get implements tls.ClientSessionCache.
func (s *Sessions) Get(name string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.last != nil && s.with == name
}

// Put implements tls.ClientSessionCache. A user keeps one session, as all of its servers are one service.
func (s *Sessions) Put(name string, session *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.with = session, name
}

// config returns what a connection needs to resume one of the sessions: a copy of shared. A nil s has no sessions.
func (s *Sessions) config(shared *tls.Config) *tls.Config {
	if s == nil {
		return shared
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared != shared {
		s.shared, s.own = shared, shared.Clone()
		s.own.ClientSessionCache = s
	}
	return s.own
}

// secured counts a TLS handshake.
func (c *Counts) secured(state tls.ConnectionState) {
	if state.DidResume {
		c.resumed.Add(1)
	} else {
		c.full.Add(1)
	}
}
