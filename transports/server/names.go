package server

import (
	"container/list"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// How long a user who has given a name is told after the end of their last request: longer than
// those who are still there wait before the next.
const (
	lingerPolling = 15 * time.Second // on a transports.Periodic transport; pages ask every 10 s at the latest
	linger        = 2 * time.Second  // elsewhere, as between two held polls
)

// maxUser is the length of the longest name of a user, in characters.
const maxUser = 64

// aUser says what userIn wants.
var aUser = fmt.Sprintf("a user has 1 to %d printable characters, URL-encoded", maxUser)

// userIn returns the user whom a query names, "" when it names none, and false when it can't be one.
func userIn(query string) (user string, ok bool) {
	if !strings.Contains(query, "user=") {
		return "", true // parsing would cost every poll
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", false
	}
	if !values.Has("user") {
		return "", true
	}
	user = values.Get("user")
	n := utf8.RuneCountInString(user)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return user, n > 0 && n <= maxUser && utf8.ValidString(user) && !strings.ContainsFunc(user, unprintable)
}

// names knows the users who have said who they are. It is safe for concurrent use.
//
// Browsers spread what one user asks over several connections and share them among pages, so that
// a connection doesn't tell who is there.
type names struct {
	limit int

	mu    sync.Mutex
	users map[string]map[string]map[string]*presence // by transport, room and name; rooms that nobody is in have left
	told  int                                        // how many users they are
	idle  map[time.Duration]*list.List               // the presences without a request, by their stay, the first to go first
}

// A presence is a user of a room and transport, by name.
type presence struct {
	place
	user     string
	stay     time.Duration // after the end of the last request
	requests int           // open now
	until    time.Time     // while none is
	idle     *list.Element // while none is
}

func newNames(limit int) *names {
	return &names{
		limit: limit,
		users: make(map[string]map[string]map[string]*presence),
		idle:  make(map[time.Duration]*list.List),
	}
}

// enter says that a request of user has come, for leave to say when it has ended. It returns nil
// when there are enough users to be told.
func (s *names) enter(at place, user string, stay time.Duration) *presence {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	p := s.users[at.transport][at.room][user]
	if p == nil {
		if s.told >= s.limit {
			return nil
		}
		at.room = strings.Clone(at.room) // else they would keep the URL of this request in memory
		p = &presence{place: at, user: strings.Clone(user), stay: stay}
		s.add(p)
	}
	if p.idle != nil {
		s.idle[p.stay].Remove(p.idle)
		p.idle = nil
	}
	p.requests++
	return p
}

// leave says that a request of p has ended. p may be nil.
func (s *names) leave(p *presence) {
	if p == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	if p.requests--; p.requests > 0 {
		return
	}
	p.until = time.Now().Add(p.stay)
	if s.idle[p.stay] == nil {
		s.idle[p.stay] = list.New()
	}
	p.idle = s.idle[p.stay].PushBack(p)
}

// add is called with mu held.
func (s *names) add(p *presence) {
	rooms := s.users[p.transport]
	if rooms == nil {
		rooms = make(map[string]map[string]*presence)
		s.users[p.transport] = rooms
	}
	if rooms[p.room] == nil {
		rooms[p.room] = make(map[string]*presence)
	}
	rooms[p.room][p.user] = p
	s.told++
}

// forget forgets those whose time has passed. It is called with mu held, and looks at nobody else.
func (s *names) forget() {
	now := time.Now()
	for _, idle := range s.idle {
		for first := idle.Front(); first != nil; first = idle.Front() {
			p := first.Value.(*presence)
			if now.Before(p.until) {
				break
			}
			idle.Remove(first)
			rooms := s.users[p.transport]
			if delete(rooms[p.room], p.user); len(rooms[p.room]) == 0 {
				delete(rooms, p.room)
			}
			s.told--
		}
	}
}

// addTo adds the users to those who are counted by connection; rooms says whether by room, too.
func (s *names) addTo(all map[string]Connected, rooms bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	for transport, byRoom := range s.users {
		c := all[transport]
		c.Names = make(map[string][]string, len(byRoom))
		if rooms && c.Rooms == nil {
			c.Rooms = make(map[string]int, len(byRoom))
		}
		for room, users := range byRoom {
			c.Names[room] = slices.Sorted(maps.Keys(users))
			c.Users += len(users)
			if rooms {
				c.Rooms[room] += len(users)
			}
		}
		all[transport] = c
	}
}
