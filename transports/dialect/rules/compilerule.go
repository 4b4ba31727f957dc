package rules

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pushpull/transports/dialect"
	"pushpull/transports/typo"
)

// requests compiles requests. With total, the last one must always apply.
func (w *way) requests(c *scope, texts []requestText, total bool) ([]request, error) {
	var all []request
	for i := range texts {
		r, err := w.request(c, &texts[i])
		if err != nil {
			return nil, err
		}
		sure := r.when == nil && r.unless == nil
		switch last := i == len(texts)-1; {
		case total && last && !sure:
			return nil, mistake(texts[i].at, "the last request must always apply: leave its when and unless out")
		case total && !last && sure:
			return nil, mistake(texts[i+1].at, "this request is never made, as the one before always applies: give that a when or unless")
		case !total && r.before:
			return nil, mistake(texts[i].before, "before is for requests of ask: leave it out")
		case !total && !sure:
			return nil, mistake(texts[i].at, "a reply has no when and unless: give them to its rule")
		}
		all = append(all, r)
	}
	return all, nil
}

// request compiles a request.
func (w *way) request(c *scope, text *requestText) (request, error) {
	r := request{method: text.method, keep: -1, before: text.before.given()}
	var err error
	if r.when, err = c.values(text.when); err != nil {
		return r, err
	}
	if r.unless, err = c.values(text.unless); err != nil {
		return r, err
	}
	if text.frame.given() == text.path.given() {
		return r, mistake(text.at, "a request has one of get, post, put and frame")
	}
	if text.frame.given() {
		switch {
		case !w.Socket:
			return r, mistake(text.frame, "only a websocket has frames: use get, post or put")
		case text.body.given() || text.headers != nil || text.sign.given.given():
			return r, mistake(text.at, "a frame has no headers, no body and no signature: frame is all of it")
		}
		r.hasBody = true
		r.body, err = c.template(text.frame, inText)
		return r, err
	}
	if r.sign, err = c.signature(&text.sign); err != nil {
		return r, err
	}
	if r.path, err = c.template(text.path, inPath); err != nil {
		return r, err
	}
	if !isPath(sample(r.path.parts)) {
		return r, mistake(text.path, "a path begins with / and has no blanks: write one like /sub/{room}")
	}
	_, query, _ := strings.Cut(text.path.text, "?")
	for parameter := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(parameter, "="); isSecret(name) && value != "" && !strings.Contains(value, "{") {
			return r, secret(text.path)
		}
	}
	r.fixedPath = string(r.path.constant)
	if text.body.given() {
		if r.method == http.MethodGet {
			return r, mistake(text.body, "a GET has no body: use post or put")
		}
		r.hasBody = true
		if r.body, err = c.template(text.body, inText); err != nil {
			return r, err
		}
	}
	return r, w.headers(c, &r, text)
}

// sample returns a text that the parts of a path could make.
func sample(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.literal)
		b.WriteString(sample(p.group))
		if p.value != nil {
			b.WriteByte('x')
		}
	}
	return b.String()
}

// headers compiles the headers of a request.
func (w *way) headers(c *scope, r *request, text *requestText) error {
	constant := true
	fixed := http.Header{}
	for _, e := range text.headers {
		name := http.CanonicalHeaderKey(e.key.text)
		switch {
		case strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || name == "":
			return mistake(e.key, "%q can't be the name of a header", short(name))
		case slices.Contains([]string{"Host", "Content-Length", "Connection", "Upgrade", "Transfer-Encoding", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions"}, name):
			return mistake(e.key, "the header %s is set by itself: leave it out", name)
		case slices.ContainsFunc(r.header, func(f field) bool { return f.name == name }):
			return mistake(e.key, "the header %s is there twice: leave one out", name)
		case strings.ContainsFunc(e.value.text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return mistake(e.value, "a header has no control characters and is one line")
		case isSecret(name) && !strings.Contains(e.value.text, "{"):
			return secret(e.value)
		}
		made, err := c.template(e.value, inHeader)
		if err != nil {
			return err
		}
		if made.constant == nil {
			constant = false
		} else if len(made.constant) > 0 {
			fixed[name] = []string{string(made.constant)}
		}
		r.header = append(r.header, field{name, made})
	}
	if constant {
		r.header = nil
		if len(fixed) > 0 {
			r.fixed = fixed
		}
	}
	if !constant || r.path.constant == nil {
		r.keep = w.kept
		w.kept++
	}
	return nil
}

// secret returns the error for a secret that stands in the file.
func secret(at scalar) error {
	return mistake(at, "a secret can't be in the file: write ${NAME} and set NAME in the environment; ${NAME:-text} if the text isn't secret")
}

// isSecret reports whether a header, parameter or variable of that name most probably holds a secret.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"authorization", "cookie", "key", "token", "secret", "password"}, func(word string) bool {
		return strings.HasSuffix(name, word)
	})
}

// values compiles a list of values.
func (c *scope) values(texts []scalar) ([]value, error) {
	var all []value
	for _, s := range texts {
		v, err := c.value(s, s.text)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// rules compiles the rules of a way.
func (w *way) rules(c *scope, texts []ruleText) error {
	if len(texts) > MaxRules {
		return mistake(texts[MaxRules].at, "a way has at most %d rules", MaxRules)
	}
	w.kinds = units()
	origins := make([]sources, len(w.kinds)) // for each kind, what the units of it have
	for i := range texts {
		t := &texts[i]
		if !t.split.how.given() {
			if t.into.given() {
				return mistake(t.into, "into names the parts of a split, which this rule doesn't have: add split")
			}
			continue
		}
		into := t.into
		if !into.given() {
			into = scalar{"part", t.split.how.at}
		}
		if i := slices.Index(w.kinds, into.text); !isName(into.text) || i >= 0 && i <= int(dialect.Closed) {
			return mistake(into, "%q can't name the parts: use a word of small letters, none of %s", short(into.text), strings.Join(units(), ", "))
		}
		if !slices.Contains(w.kinds, into.text) {
			w.kinds, origins = append(w.kinds, into.text), append(origins, 0)
		}
	}
	kinds := make([]int, len(texts))
	for i := range texts {
		t := &texts[i]
		if !t.on.given() {
			return mistake(t.at, "the rule has no on: say what kind of unit it is for, like on: %s", w.wayKinds()[1])
		}
		kinds[i] = slices.Index(w.kinds, t.on.text)
		var possible []string
		for _, k := range w.wayKinds() {
			possible = append(possible, k.String())
		}
		possible = append(possible, w.kinds[dialect.Closed+1:]...)
		if kinds[i] < 0 {
			return mistake(t.on, "%v", typo.Unknown("kind of unit", short(t.on.text), possible))
		}
		if !slices.Contains(possible, t.on.text) {
			return mistake(t.on, "%s has no units of the kind %s: use %s", w.Transport, t.on.text, strings.Join(possible, ", "))
		}
	}
	if err := w.nesting(texts, kinds, origins); err != nil {
		return err
	}
	w.hear = make([][]rule, len(w.kinds))
	for i := range texts {
		c.has, c.holes = anywhere|origins[kinds[i]], map[string]*use{}
		if before := w.hear[kinds[i]]; len(before) > 0 && before[len(before)-1].always() {
			return mistake(texts[i].at, "no unit reaches this rule, as %s takes all of them: give that a condition, or put it last", &before[len(before)-1])
		}
		r, err := w.rule(c, &texts[i], kinds[i], i)
		if err != nil {
			return err
		}
		w.hear[kinds[i]] = append(w.hear[kinds[i]], r)
		w.holes = max(w.holes, len(c.holes))
	}
	c.holes = nil
	return nil
}

// nesting finds out what the units of each kind have, and makes sure that none is a part of itself.
func (w *way) nesting(texts []ruleText, kinds []int, origins []sources) error {
	for k := range units() {
		has := sources(0).with(fromText)
		switch dialect.Kind(k) {
		case dialect.Begun:
			has = 0
		case dialect.Answered, dialect.Replied, dialect.Opened:
			has = has.with(fromStatus, fromHeader)
		case dialect.Taken:
			has = has.with(fromStatus, fromHeader, fromNumber)
		case dialect.Closed:
			has = has.with(fromStatus)
		case dialect.Event:
			has = has.with(fromEvent, fromID)
		}
		origins[k] = has
	}
	depth := make([]int, len(w.kinds))
	for range len(w.kinds) { // as long as the longest chain can be
		for i := range texts {
			t := &texts[i]
			if !t.split.how.given() {
				continue
			}
			name := "part"
			if t.into.given() {
				name = t.into.text
			}
			into := slices.Index(w.kinds, name)
			origins[into] |= origins[kinds[i]]
			if depth[into] = max(depth[into], depth[kinds[i]]+1); depth[into] > MaxNesting {
				return mistake(t.split.how, "parts are divided more than %d times, or are parts of themselves: give these another name by into", MaxNesting)
			}
		}
	}
	return nil
}

// rule compiles a rule.
func (w *way) rule(c *scope, t *ruleText, kind, i int) (rule, error) {
	r := rule{where: w.place("hear", i), line: t.at.at.Position.Line}
	if err := w.conditions(c, &r, t); err != nil {
		return r, err
	}
	if err := w.actions(c, &r, t, kind); err != nil {
		return r, err
	}
	return r, c.unused()
}

// conditions compiles the conditions of a rule.
func (w *way) conditions(c *scope, r *rule, t *ruleText) error {
	for _, s := range t.status {
		sp, ok := spanOf(s.text)
		if !ok || !c.has.has(fromStatus) {
			return mistake(s, "this must be a code like 200 or a class like 4xx; answer, replied, opened, taken and closed have one")
		}
		r.status = append(r.status, sp)
	}
	if t.text.given() {
		if !c.has.has(fromText) {
			return mistake(t.text, "on: %s has no text", t.on.text)
		}
		p, err := c.pattern(t.text)
		if err != nil {
			return err
		}
		r.text = &p
	}
	if t.event.given() {
		if !c.has.has(fromEvent) {
			return mistake(t.event, "only on: event has a type")
		}
		p, err := c.pattern(t.event)
		if err != nil {
			return err
		}
		r.event = &p
	}
	if t.match.given() {
		if err := w.regular(c, r, t); err != nil {
			return err
		}
	}
	for _, e := range t.header {
		if err := c.equal(r, scalar{"header:" + e.key.text, e.key.at}, e.value); err != nil {
			return err
		}
	}
	for _, e := range t.json {
		if !strings.Contains(e.key.text, ".") {
			return mistake(e.key, "%q is no path: write one like .%s", short(e.key.text), short(e.key.text))
		}
		if err := c.equal(r, e.key, e.value); err != nil {
			return err
		}
	}
	var err error
	if r.when, err = c.values(t.when); err != nil {
		return err
	}
	r.unless, err = c.values(t.unless)
	return err
}

// equal adds a condition on a value.
func (c *scope) equal(r *rule, key, text scalar) error {
	v, err := c.value(key, key.text)
	if err != nil {
		return err
	}
	p, err := c.pattern(text)
	r.equal = append(r.equal, equal{v, p})
	return err
}

// regular compiles the regular expression of a rule.
func (w *way) regular(c *scope, r *rule, t *ruleText) error {
	if !c.has.has(fromText) {
		return mistake(t.match, "on: %s has no text", t.on.text)
	}
	if len(t.match.text) > MaxPattern {
		return mistake(t.match, "a regular expression has at most %d bytes", MaxPattern)
	}
	re, err := regexp.Compile(t.match.text)
	if err != nil {
		return mistake(t.match, "%v: the syntax is that of Go's package regexp", err)
	}
	r.match = re
	for _, name := range re.SubexpNames() {
		if name == "" {
			r.groups = append(r.groups, -1)
			continue
		}
		p, err := c.pattern(scalar{"{" + name + "}", t.match.at})
		if err != nil {
			return err
		}
		if !p.parts[0].is {
			return mistake(t.match, "the name %s of a group is taken: use another one", short(name))
		}
		r.groups = append(r.groups, p.parts[0].index)
	}
	return nil
}

// spanOf returns the codes that text stands for.
func spanOf(text string) (span, bool) {
	if class, ok := strings.CutSuffix(text, "xx"); ok && len(class) == 1 && class[0] >= '1' && class[0] <= '5' {
		n := int(class[0]-'0') * 100
		return span{n, n + 99}, true
	}
	n, err := strconv.Atoi(text)
	return span{n, n}, err == nil && n >= 100 && n <= 4999
}
