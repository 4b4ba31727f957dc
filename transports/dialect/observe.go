package dialect

import "pushpull/transports"

// A Step is what happened in an observed conversation: the user sends a Request, or a Unit came.
type Step struct {
	Sent   Request // the zero Request: Unit came
	Number uint64  // of the message that Sent sends; 0: it sends none

	Unit  Unit
	Heard *Heard // what Unit meant
	Took  string // which part of the dialect took Unit, like "ways.sse.hear[3], line 41"; "": it doesn't say
	Err   error  // that Hear returned
}

// Sends reports whether the user sends something in the step. Otherwise something came.
func (s Step) Sends() bool { return s.Sent.Method != "" || s.Sent.Body != nil }

// Observed returns d, with each step of its conversations passed to see. What a Step refers to is valid during the
// call. Calls for one conversation don't overlap; those for several may.
func Observed(d Dialect, see func(Step)) Dialect { return observed{d, see} }

type observed struct {
	Dialect
	see func(Step)
}

var _ Dialect = observed{}

func (o observed) Speak(way Way, room string, from transports.Cursor) (Speech, error) {
	s, err := o.Dialect.Speak(way, room, from)
	if err != nil {
		return nil, err
	}
	return overheard{s, o.see}, nil
}

// overheard is a Speech whose steps are seen.
type overheard struct {
	Speech
	see func(Step)
}

var _ Speech = overheard{}

func (s overheard) Ask() Request {
	r := s.Speech.Ask()
	s.see(Step{Sent: r})
	return r
}

func (s overheard) Say(number uint64, body []byte) Request {
	r := s.Speech.Say(number, body)
	s.see(Step{Sent: r, Number: number})
	return r
}

// Hear shows what came, and then the replies to it, which the carrier sends.
func (s overheard) Hear(u Unit, h *Heard) error {
	err := s.Speech.Hear(u, h)
	step := Step{Unit: u, Heard: h, Err: err}
	if of, ok := s.Speech.(interface{ Took() string }); ok {
		step.Took = of.Took()
	}
	s.see(step)
	for _, reply := range h.Replies {
		s.see(Step{Sent: reply})
	}
	return err
}
