package rules

import (
	"slices"

	"pushpull/transports"
	"pushpull/transports/dialect"
	"pushpull/transports/typo"
)

// actions compiles the actions of a rule.
func (w *way) actions(c *scope, r *rule, t *ruleText, kind int) error {
	for _, e := range t.set {
		i := slices.IndexFunc(w.vars, func(v variable) bool { return v.name == e.key.text })
		if i < 0 {
			var names []string
			for _, v := range w.vars {
				names = append(names, v.name)
			}
			return mistake(e.key, "%v", typo.Unknown("variable", short(e.key.text), names))
		}
		made, err := c.template(e.value, inText)
		if err != nil {
			return err
		}
		r.set = append(r.set, assignment{i, made})
	}
	for _, one := range []struct {
		text scalar
		into **template
	}{{t.message, &r.message}, {t.why, &r.why}} {
		if !one.text.given() {
			continue
		}
		made, err := c.template(one.text, inText)
		if err != nil {
			return err
		}
		*one.into = &made
	}
	var err error
	if r.stored, err = c.acknowledgement(t.stored); err != nil {
		return err
	}
	if r.refused, err = c.acknowledgement(t.refused); err != nil {
		return err
	}
	if t.fails.given() {
		steps := map[string]transports.Step{"stop": transports.Stop, "repeat": transports.Repeat, "rejoin": transports.Rejoin}
		var known bool
		if r.step, known = steps[t.fails.text]; !known {
			return mistake(t.fails, "%v", typo.Unknown("step", short(t.fails.text), []string{"stop", "repeat", "rejoin"}))
		}
		r.fails = true
	}
	r.kept, r.ready, r.more, r.gap = t.kept.given(), t.ready.given(), t.more.given(), t.gap.given()
	if r.reply, err = w.requests(c, t.reply, false); err != nil {
		return err
	}
	if len(r.reply) > MaxReplies {
		return mistake(t.reply[MaxReplies].at, "a unit gets at most %d replies", MaxReplies)
	}
	if err := w.dividing(c, r, t); err != nil {
		return err
	}
	return w.sensible(r, t, kind)
}

// acknowledgement compiles what stored or refused says.
func (c *scope) acknowledgement(s scalar) (acknowledgement, error) {
	switch {
	case !s.given():
		return acknowledgement{}, nil
	case s.text == "said":
		if !c.has.has(fromNumber) {
			return acknowledgement{}, mistake(s, `only on: taken knows which message was said: write oldest, or the number that came, like "{.id}"`)
		}
		return acknowledgement{of: said}, nil
	case s.text == "oldest":
		return acknowledgement{of: oldest}, nil
	}
	made, err := c.template(s, inText)
	if err == nil && made.constant != nil {
		err = mistake(s, `%q names no message: write said, oldest, or the number that came, like "{.id}"`, short(s.text))
	}
	return acknowledgement{numbered, made}, err
}

// dividing compiles the split of a rule.
func (w *way) dividing(c *scope, r *rule, t *ruleText) error {
	if !t.split.how.given() {
		return nil
	}
	name := "part"
	if t.into.given() {
		name = t.into.text
	}
	sp := &split{into: slices.Index(w.kinds, name)}
	if !c.has.has(fromText) {
		return mistake(t.split.how, "on: %s has no text to be split", t.on.text)
	}
	switch {
	case t.split.separator.given():
		sp.how, sp.separator = bySeparator, []byte(t.split.separator.text)
		if len(sp.separator) == 0 {
			return mistake(t.split.separator, "a separator is at least one character")
		}
	case t.split.each.given():
		v, err := c.value(t.split.each, t.split.each.text)
		if err != nil {
			return err
		}
		sp.how, sp.each = intoElements, v
	case t.split.how.text == "multipart":
		if !c.has.has(fromHeader) {
			return mistake(t.split.how, "only an answer can be multipart")
		}
		sp.how = byBoundary
	}
	r.split = sp
	return nil
}

// sensible returns an error for actions that make no sense together, or for a kind of unit.
func (w *way) sensible(r *rule, t *ruleText, kind int) error {
	switch {
	case r.refused.of == oldest:
		return mistake(t.refused, "only stored can be oldest: write said, or the number that came")
	case r.stored.of != nobody && r.refused.of != nobody:
		return mistake(t.refused, "a message is either stored or refused: leave one out")
	case r.kept && kind != int(dialect.Taken):
		return mistake(t.kept, "kept is for on: taken: leave it out")
	case r.kept && (r.stored.of != nobody || r.refused.of != nobody):
		return mistake(t.kept, "a message that is stored or refused is not kept: leave one out")
	case kind == int(dialect.Taken) && !r.kept && !r.fails && r.split == nil && r.stored.of == nobody && r.refused.of == nobody:
		return mistake(t.on, "a rule on: taken says what became of the message: add stored: said, refused: said, or kept: true")
	case r.message != nil && kind == int(dialect.Begun):
		return mistake(t.message, "nothing came yet that could be a message")
	case kind == int(dialect.Taken) && (r.message != nil || r.reply != nil):
		return mistake(t.on, "the answer to a message can be neither a message nor get a reply: leave these out")
	case kind == int(dialect.Replied) && r.reply != nil:
		return mistake(t.reply[0].at, "the answer to a reply can't get another reply: leave it out")
	case r.message != nil && r.split != nil:
		return mistake(t.message, "a rule has either a message or a split: give the message to the rule of the parts")
	case r.more && w.Way.Way.Stream:
		return mistake(t.more, "a stream isn't asked: leave more out")
	case r.why != nil && !r.fails && r.refused.of == nobody:
		return mistake(t.why, "why belongs to error or refused: add one of them")
	case r.fails && (r.message != nil || r.stored.of != nobody || r.refused.of != nobody || r.kept || r.ready || r.more || r.gap || r.reply != nil || r.split != nil):
		return mistake(t.fails, "after an error nothing else is done: leave the other actions out")
	}
	return nil
}
