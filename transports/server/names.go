package server

import (
	"container/list"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// How long a named user is still reported after the end of its last request. It is longer than
// the pause before the next request of a user that stays.
const (
	stayOnTimer      = 15 * time.Second // on transports polled on a timer; pages poll at least every 10 s
	stayBetweenPolls = 2 * time.Second  // on all others, as between two held polls
)

// maxUser is the length of the longest user name, in characters.
const maxUser = 64

// aUser is the rule of userIn, for errors.
var aUser = fmt.Sprintf("a user has 1 to %d printable characters, URL-encoded", maxUser)

// userIn returns the user named in a query, "" if there is none; ok is false for an invalid name.
func userIn(query string) (user string, ok bool) {
	if !strings.Contains(query, "user=") {
		return "", true // saves every poll the cost of parsing
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

// names tracks the users that give a name. It is safe for concurrent use.
//
// A browser spreads one user's requests over several connections and shares them among pages, so
// connections are no measure of its users.
type names struct {
	limit int

	mu    sync.Mutex
	users map[string]map[string]map[string]*presence // by transport, room and name; empty rooms are deleted
	of    map[string]int                             // presences in users, by transport
	count int                                        // all of them
	idle  map[time.Duration]*list.List               // presences without an open request, by stay, the first to expire in front
}

// A presence is a named user of one room on one transport.
type presence struct {
	location
	user     string
	stay     time.Duration // how long it is reported after its last request
	requests int           // open now
	until    time.Time     // when it expires; set while no request is open
	idle     *list.Element // its element in names.idle; set while no request is open
}

func newNames(limit int) *names {
	return &names{
		limit: limit,
		users: make(map[string]map[string]map[string]*presence),
		of:    make(map[string]int),
		idle:  make(map[time.Duration]*list.List),
	}
}

// enter records a new request of user; leave must be called with the result when the request ends.
// It returns nil when the limit of names is reached.
func (s *names) enter(at location, user string, stay time.Duration) *presence {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	p := s.users[at.transport][at.room][user]
	if p == nil {
		if s.count >= s.limit {
			return nil
		}
		at.room = strings.Clone(at.room) // a substring would keep the request's whole URL in memory
		p = &presence{location: at, user: strings.Clone(user), stay: stay}
		s.add(p)
	}
	if p.idle != nil {
		s.idle[p.stay].Remove(p.idle)
		p.idle = nil
	}
	p.requests++
	return p
}

// leave records the end of a request of p, which may be nil.
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

// add must be called with mu held.
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
	s.of[p.transport]++
	s.count++
}

// forget removes the expired presences. Its cost grows with their number alone. It must be called
// with mu held.
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
			s.of[p.transport]--
			s.count--
		}
	}
}

// addTo adds the named users to those counted by connection, and lists what is asked for.
func (s *names) addTo(all map[string]Connected, asked listing) {
	s.listed(all, asked)
	for _, c := range all {
		for _, users := range c.Names {
			slices.Sort(users) // without the lock: named polls wait for it
		}
	}
}

// listed is addTo, but for the order of the names.
func (s *names) listed(all map[string]Connected, asked listing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	for transport, byRoom := range s.users {
		c := all[transport]
		c.Users += s.of[transport]
		if asked.any() {
			c.Names = make(map[string][]string)
			if c.Rooms == nil {
				c.Rooms = make(map[string]int)
			}
		}
		left := mostListed
		for room := range roomsIn(asked, byRoom) {
			users := byRoom[room]
			c.Rooms[room] += len(users)
			here := make([]string, 0, min(left, len(users)))
			for user := range users {
				if left == 0 {
					break
				}
				here = append(here, user)
				left--
			}
			if len(here) > 0 {
				c.Names[room] = here
			}
		}
		all[transport] = c
	}
}
