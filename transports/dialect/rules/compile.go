package rules

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushpull/transports/dialect"
	"pushpull/transports/strictyaml"
	"pushpull/transports/typo"
)

// compile makes a dialect of the text of a file.
func compile(f *file) (*Dialect, error) {
	d := &Dialect{about: dialect.About{
		Name: f.name.text, Title: f.title.text, Text: f.about.text, Untried: f.untried.text, Health: f.health.text,
	}}
	if !f.name.given() {
		return nil, strictyaml.At(nil, "the dialect has no name: add a line like name: nchan")
	}
	if strings.Trim(f.name.text, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(f.name.text, "-") == "" || len(f.name.text) > 40 {
		return nil, mistake(f.name, "a name has at most 40 small letters, digits and dashes, as it is written on the command line")
	}
	if d.about.Title == "" {
		d.about.Title = f.name.text
	}
	if f.health.given() && !isPath(f.health.text) {
		return nil, mistake(f.health, "a path begins with / and has no blanks: write one like /healthz")
	}
	if len(f.ways) == 0 {
		return nil, strictyaml.At(nil, "the dialect has no ways: add ways: with one like sse:")
	}
	for _, p := range f.ways {
		kind, err := kindOf(p.key)
		if err != nil {
			return nil, err
		}
		var text wayText
		if err := read(p.value, "way", wayKeys(), &text); err != nil {
			return nil, err
		}
		w, err := compileWay(p.key, kind, &text, d.about.Title)
		if err != nil {
			return nil, err
		}
		d.ways = append(d.ways, w)
	}
	return d, nil
}

// isPath reports whether text can be asked for.
func isPath(text string) bool {
	_, err := url.ParseRequestURI(text)
	return err == nil && strings.HasPrefix(text, "/") && !strings.ContainsAny(text, " #")
}

// kindOf returns what kind of way a transport is.
func kindOf(name scalar) (dialect.Way, error) {
	w := dialect.Way{Transport: name.text, Greets: true}
	switch name.text {
	case "short-poll":
		w.Way.Title = "short polling"
	case "long-poll":
		w.Way.Title = "long polling"
	case "sse":
		w.Way.Title, w.Way.Stream = "server-sent events", true
	case "lines":
		w.Way.Title, w.Way.Stream, w.Lines = "a stream of lines", true, true
	case "websocket":
		w.Way.Title, w.Way.Stream, w.Socket = "WebSocket", true, true
	default:
		return w, mistake(name, "%v", typo.Unknown("way", short(name.text), []string{"short-poll", "long-poll", "sse", "lines", "websocket"}))
	}
	return w, nil
}

// compileWay makes a way of its text.
func compileWay(key scalar, kind dialect.Way, text *wayText, server string) (*way, error) {
	w := &way{Way: kind, name: "ways." + key.text}
	w.Way.Way.Server, w.Once = server, text.once.given()
	if err := w.times(key, text); err != nil {
		return nil, err
	}
	if err := w.lacks(text); err != nil {
		return nil, err
	}
	c := &scope{way: w, has: anywhere, lets: map[string]int{}, random: &w.random}
	if err := w.variables(c, text); err != nil {
		return nil, err
	}
	for _, missing := range []struct {
		list int
		key  string
		do   string
	}{
		{len(text.ask), "ask", "the poll, or what opens the stream or WebSocket"},
		{len(text.say), "say", "what sends a message"},
		{len(text.hear), "hear", "rules for what comes"},
	} {
		if missing.list == 0 {
			return nil, mistake(key, "%s has no %s: add %s", key.text, missing.key, missing.do)
		}
	}
	var err error
	if w.ask, err = w.requests(c, text.ask, true); err != nil {
		return nil, err
	}
	w.asksBodies = slices.ContainsFunc(w.ask, func(r request) bool { return r.hasBody && r.body.constant == nil })
	c.has = anywhere.with(fromNumber, fromBody)
	if w.say, err = w.requests(c, text.say, true); err != nil {
		return nil, err
	}
	for i := range w.say {
		if frame := w.say[i].method == ""; i > 0 && frame != w.Way.Way.Duplex {
			return nil, mistake(text.say[i].at, "messages are sent either by frames or by requests: not by both")
		} else if frame {
			w.Way.Way.Duplex = true
		}
	}
	for i := range w.ask {
		switch {
		case w.ask[i].method == "":
			return nil, mistake(text.ask[i].at, "a frame can't open anything: ask by a request, and send the frame as a reply to on: opened")
		case w.ask[i].before && !w.Way.Way.Stream:
			return nil, mistake(text.ask[i].before, "before is for streams and WebSockets: leave it out, as polls open nothing")
		case w.ask[i].before && i == len(w.ask)-1:
			return nil, mistake(text.ask[i].before, "the last request opens the stream or WebSocket: leave before out")
		}
	}
	for i := range w.say {
		if w.say[i].before {
			return nil, mistake(text.say[i].before, "before is for requests of ask: leave it out")
		}
	}
	if err := w.rules(c, text.hear); err != nil {
		return nil, err
	}
	if err := w.promises(key); err != nil {
		return nil, err
	}
	if err := w.Way.Way.Validate(); err != nil {
		return nil, mistake(key, "%v", err)
	}
	return w, nil
}

// times reads the times and the batch of a way.
func (w *way) times(key scalar, text *wayText) error {
	of := &w.Way.Way
	for _, t := range []struct {
		name string
		text scalar
		fits bool
		into *time.Duration
	}{
		{"every", text.every, key.text == "short-poll", &of.Every},
		{"hold", text.hold, key.text == "long-poll", &of.Hold},
		{"heartbeat", text.heartbeat, of.Stream, &of.Heartbeat},
	} {
		if !t.text.given() {
			continue
		}
		if !t.fits {
			return mistake(t.text, "%s has no %s: every is of short-poll, hold of long-poll, heartbeat of streams", key.text, t.name)
		}
		d, err := time.ParseDuration(t.text.text)
		if err != nil || d < time.Millisecond || d > time.Hour {
			return mistake(t.text, "%s must be a time from 1ms to 1h, like 5s", t.name)
		}
		*t.into = d
	}
	if key.text == "short-poll" && of.Every == 0 {
		of.Every = 5 * time.Second
	}
	if key.text == "long-poll" && of.Hold == 0 {
		return mistake(key, "long-poll has no hold: say how long the server holds a poll at most, like hold: 30s")
	}
	if text.batch.given() {
		n, err := strconv.Atoi(text.batch.text)
		if err != nil || n < 1 || of.Stream {
			return mistake(text.batch, "batch must be a whole number, 1 or more, of a way that polls")
		}
		of.Batch = n
	}
	return nil
}

// lacks reads the promises that a server doesn't make.
func (w *way) lacks(text *wayText) error {
	l := &w.Way.Way.Lacks
	known := map[string]*bool{
		"replay": &l.Replay, "resume": &l.Resume, "gaps": &l.Gaps, "acks": &l.Acks, "order": &l.Order, "echo": &l.Echo,
	}
	for _, s := range text.lacks {
		field, ok := known[s.text]
		switch {
		case !ok:
			return mistake(s, "%v", typo.Unknown("promise", short(s.text), slices.Sorted(maps.Keys(known))))
		case *field:
			return mistake(s, "%s is there twice: leave one out", s.text)
		}
		*field = true
	}
	return nil
}

// variables compiles the variables of a way, its cursor and its templates with names.
func (w *way) variables(c *scope, text *wayText) error {
	taken := func(name scalar) error {
		_, isBuiltin := builtin()[name.text]
		_, isLet := c.lets[name.text]
		_, isFunction := encoderOf(name.text)
		isVar := slices.ContainsFunc(w.vars, func(v variable) bool { return v.name == name.text })
		switch {
		case !isName(name.text) || name.text == "_":
			return mistake(name, "a name has small letters, digits and _, and begins with a letter")
		case isBuiltin || isLet || isVar || isFunction || name.text == "header" || name.text == "said" || name.text == "oldest":
			return mistake(name, "the name %s is taken: use another one", name.text)
		}
		return nil
	}
	if n := len(text.vars); n > MaxVars {
		return mistake(text.vars[MaxVars].key, "a way has at most %d variables", MaxVars)
	}
	if n := len(text.let); n > MaxVars {
		return mistake(text.let[MaxVars].key, "a way has at most %d templates with names", MaxVars)
	}
	for _, e := range text.vars {
		if err := taken(e.key); err != nil {
			return err
		}
		if isSecret(e.key.text) && e.value.text != "" && !strings.Contains(e.value.text, "{") {
			return secret(e.value)
		}
		first, err := c.template(e.value, inHeader)
		if err != nil {
			return err
		}
		set := slices.ContainsFunc(text.hear, func(r ruleText) bool {
			return slices.ContainsFunc(r.set, func(other entry) bool { return other.key.text == e.key.text })
		})
		isPlace := slices.ContainsFunc(text.cursor, func(s scalar) bool { return s.text == e.key.text })
		w.vars = append(w.vars, variable{e.key.text, first, first.constant != nil && !set && !isPlace})
	}
	for _, s := range text.cursor {
		i := slices.IndexFunc(w.vars, func(v variable) bool { return v.name == s.text })
		if i < 0 {
			var names []string
			for _, v := range w.vars {
				names = append(names, v.name)
			}
			return mistake(s, "%v", typo.Unknown("variable", short(s.text), names))
		}
		if slices.Contains(w.cursor, i) {
			return mistake(s, "%s is there twice: leave one out", s.text)
		}
		w.cursor = append(w.cursor, i)
	}
	c.has = ^sources(0) &^ (1 << fromHole)
	for _, e := range text.let {
		if err := taken(e.key); err != nil {
			return err
		}
		c.used = 0
		made, err := c.template(e.value, inText)
		if err != nil {
			return err
		}
		c.lets[e.key.text] = len(w.lets)
		c.needs = append(c.needs, c.used&^anywhere)
		w.lets = append(w.lets, made)
	}
	c.has = anywhere
	return nil
}

// promises checks that the rules of a way keep what its server promises.
func (w *way) promises(key scalar) error {
	var ready, message, acks, gap bool
	for _, rules := range w.hear {
		for i := range rules {
			r := &rules[i]
			ready = ready || r.ready
			message = message || r.message != nil
			acks = acks || r.stored.of != nobody
			gap = gap || r.gap
		}
	}
	l := w.Way.Way.Lacks
	switch {
	case !ready:
		return mistake(key, "no rule of %s says when the user is a member of the room: add ready: true to the one that does, or a rule {on: begun, ready: true}", key.text)
	case !message:
		return mistake(key, `no rule of %s has a message: add one like message: "{text}"`, key.text)
	case w.Way.Way.Duplex && !acks && !l.Acks:
		return mistake(key, "no rule of %s acknowledges messages: add stored, or lacks: [acks]", key.text)
	case len(w.cursor) == 0 && !l.Resume:
		return mistake(key, "%s has no cursor, so users can't resume: add cursor, or lacks: [resume]", key.text)
	case !gap && !l.Gaps && !l.Resume:
		return mistake(key, "no rule of %s reports that messages are lost: add gap: true, or lacks: [gaps]", key.text)
	}
	return nil
}

// wayKinds returns the kinds of units that come on a way.
func (w *way) wayKinds() []dialect.Kind {
	kinds := []dialect.Kind{dialect.Begun, dialect.Answered, dialect.Replied}
	if w.Way.Way.Stream {
		event := dialect.Event
		if w.Socket {
			event = dialect.Frame
		}
		kinds = append(kinds, dialect.Opened, event, dialect.Closed)
	}
	if !w.Way.Way.Duplex {
		kinds = append(kinds, dialect.Taken)
	}
	return kinds
}

// units are the kinds of units, in the order of their numbers.
func units() []string {
	var names []string
	for k := dialect.Begun; k <= dialect.Closed; k++ {
		names = append(names, k.String())
	}
	return names
}

// place names a list of a way, like "ways.sse.hear".
func (w *way) place(list string, i int) string { return fmt.Sprintf("%s.%s[%d]", w.name, list, i) }
