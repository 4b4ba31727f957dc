package rules

import (
	"encoding/base64"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// A Key is a key of dialect files, or something else with a name that stands in them.
type Key struct {
	Where   string // what has the key: "file", "way", "request", "rule", "split" or "sign"; or "value" or "function", of templates
	Name    string
	Type    string // of its value, like "text"
	Text    string // what it means
	Example string // a line, or a part of one
}

// Keys returns the keys of dialect files, those that belong together in a row, and then the values and functions of
// templates. It is the list by which files are read.
func Keys() []Key {
	var values, functions []Key
	for _, v := range valueKeys() {
		values = append(values, v.Key)
	}
	for _, f := range functionKeys() {
		functions = append(functions, f.Key)
	}
	return slices.Concat(documented("file", fileKeys()), documented("way", wayKeys()), documented("request", requestKeys()),
		documented("rule", ruleKeys()), documented("split", splitKeys()), documented("sign", signKeys()), values, functions)
}

func documented[T any](where string, keys []key[T]) []Key {
	var all []Key
	for _, k := range keys {
		all = append(all, Key{Where: where, Name: k.name, Type: k.kind, Text: k.text, Example: k.example})
	}
	return all
}

// A key is a key of a part of a dialect file that is read into a T.
type key[T any] struct {
	name, kind, text, example string
	read                      func(*T, ast.Node) error
}

func fileKeys() []key[file] {
	return []key[file]{
		{
			"name", "text", "name of the dialect on the command line, in small letters, digits and dashes", "name: nchan",
			func(f *file, n ast.Node) (err error) { f.name, err = scalarOf(n); return },
		},
		{
			"title", "text", "name of the server in running text; name, if it is left out", "title: Socket.IO",
			func(f *file, n ast.Node) (err error) { f.title, err = scalarOf(n); return },
		},
		{
			"about", "text", "what the server is and how it must be set up, in a sentence or two", "about: nginx with the module nchan",
			func(f *file, n ast.Node) (err error) { f.about, err = scalarOf(n); return },
		},
		{
			"untried", "text", "why the file was never tried on the real server", "untried: it can't be installed here",
			func(f *file, n ast.Node) (err error) { f.untried, err = scalarOf(n); return },
		},
		{
			"health", "path", "a small answer that costs the server little, by which round trips are measured", "health: /healthz",
			func(f *file, n ast.Node) (err error) { f.health, err = scalarOf(n); return },
		},
		{
			"ways", "mapping of ways", "how users get the next message, by the name of the transport: short-poll, long-poll, sse, lines (a line of a stream holds a message) and websocket", "ways: {sse: {…}}",
			func(f *file, n ast.Node) (err error) { f.ways, err = pairsOf(n); return },
		},
	}
}

func wayKeys() []key[wayText] {
	return []key[wayText]{
		{
			"every", "time", "of short-poll: the interval of polls if the command line names none; 5s if it is left out", "every: 1s",
			func(w *wayText, n ast.Node) (err error) { w.every, err = scalarOf(n); return },
		},
		{
			"hold", "time", "of long-poll: how long the server holds a poll at most", "hold: 30s",
			func(w *wayText, n ast.Node) (err error) { w.hold, err = scalarOf(n); return },
		},
		{
			"heartbeat", "time", "of sse, lines and websocket: how long the server is silent at most before it gives a sign of life; left out: it may be silent forever", "heartbeat: 25s",
			func(w *wayText, n ast.Node) (err error) { w.heartbeat, err = scalarOf(n); return },
		},
		{
			"lacks", "list", "promises that the server doesn't make: replay (a new user doesn't get what was sent before), resume (a user that comes back doesn't get what it missed), gaps (lost messages are not reported), acks (messages are not acknowledged), order (messages may arrive in another order), echo (users don't get their own messages)", "lacks: [replay, gaps]",
			func(w *wayText, n ast.Node) (err error) { w.lacks, err = listOf(n); return },
		},
		{
			"batch", "number", "of short-poll and long-poll: most messages in one answer; left out: no limit that a user would notice", "batch: 1",
			func(w *wayText, n ast.Node) (err error) { w.batch, err = scalarOf(n); return },
		},
		{
			"once", "true", "of polls: none may be sent twice, not even after a broken connection, as that ends the conversation", "once: true",
			func(w *wayText, n ast.Node) (err error) { w.once, err = trueOf(n); return },
		},
		{
			"vars", "mapping of templates", "the variables of a user's conversation with their first values", `vars: {etag: "", key: "${KEY}"}`,
			func(w *wayText, n ast.Node) (err error) { w.vars, err = entriesOf(n); return },
		},
		{
			"cursor", "list of variables", "those that make the place where a user reads on when it comes back", "cursor: [epoch, offset]",
			func(w *wayText, n ast.Node) (err error) { w.cursor, err = listOf(n); return },
		},
		{
			"let", "mapping of templates", "templates with a name, to be put into others, such as JSON into a JSON string", `let: {inner: '{"body":{json:body}}'}`,
			func(w *wayText, n ast.Node) (err error) { w.let, err = entriesOf(n); return },
		},
		{
			"ask", "request or list of requests", "the poll, or what opens the stream or WebSocket; the first one of which when and unless hold, so that a handshake may come first", `ask: {get: "/sub/{room}"}`,
			func(w *wayText, n ast.Node) (err error) { w.ask, err = requestsOf(n); return },
		},
		{
			"say", "request or list of requests", "what sends a message", `say: {post: "/pub/{room}", body: "{body}"}`,
			func(w *wayText, n ast.Node) (err error) { w.say, err = requestsOf(n); return },
		},
		{
			"hear", "list of rules", "what comes, and what it means; the first rule whose conditions all hold takes a unit", "hear: [{on: opened, ready: true}]",
			func(w *wayText, n ast.Node) (err error) { w.hear, err = rulesOf(n); return },
		},
	}
}

func requestKeys() []key[requestText] {
	request := func(method string) func(*requestText, ast.Node) error {
		return func(r *requestText, n ast.Node) error {
			path, err := scalarOf(n)
			if err == nil && r.path.at != nil {
				err = mistake(path, "a request has one of get, post, put and frame: leave one out")
			}
			r.method, r.path = method, path
			return err
		}
	}
	return []key[requestText]{
		{"get", "template", "path and query of a GET, after the server's address; values are escaped", "get: /sub/{room}?since={id}", request("GET")},
		{"post", "template", "the same of a POST", "post: /pub/{room}", request("POST")},
		{"put", "template", "the same of a PUT", "put: /{room}", request("PUT")},
		{
			"frame", "template", "text of a frame on the user's WebSocket", `frame: '{"type":"join","room":{json:room}}'`,
			func(r *requestText, n ast.Node) (err error) { r.frame, err = scalarOf(n); return },
		},
		{
			"headers", "mapping of templates", "headers of the request; one whose text is empty is left out", `headers: {X-API-Key: "${KEY}"}`,
			func(r *requestText, n ast.Node) (err error) { r.headers, err = entriesOf(n); return },
		},
		{
			"body", "template", "body of a POST or PUT", `body: '{"data":{json:body}}'`,
			func(r *requestText, n ast.Node) (err error) { r.body, err = scalarOf(n); return },
		},
		{
			"before", "true", "of ask, with sse, lines and websocket: it is part of a handshake, and doesn't open the stream or WebSocket yet", "before: true",
			func(r *requestText, n ast.Node) (err error) { r.before, err = trueOf(n); return },
		},
		{
			"sign", "mapping", "the request is signed as AWS asks for, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment", "sign: {service: execute-api, region: us-east-1}",
			func(r *requestText, n ast.Node) error {
				r.sign.given = scalar{at: begin(n)}
				return read(n, "sign", signKeys(), &r.sign)
			},
		},
		{
			"when", "value or list of values", "only when all of these have a text", "when: sid",
			func(r *requestText, n ast.Node) (err error) { r.when, err = listOf(n); return },
		},
		{
			"unless", "value or list of values", "only when none of these has a text", "unless: sid",
			func(r *requestText, n ast.Node) (err error) { r.unless, err = listOf(n); return },
		},
	}
}

func ruleKeys() []key[ruleText] {
	flag := func(field func(*ruleText) *scalar) func(*ruleText, ast.Node) error {
		return func(r *ruleText, n ast.Node) (err error) { *field(r), err = trueOf(n); return }
	}
	return []key[ruleText]{
		{
			"on", "kind of unit", "begun (nothing came yet), answer (to a question), replied (the answer to a reply that is a request), opened (the head of the answer that opens the stream or WebSocket), event (of an event stream, or a line of a stream of lines), frame (of a WebSocket), taken (the answer to a request of say), closed (the server ended the stream or WebSocket), or a name that into gives", "on: answer",
			func(r *ruleText, n ast.Node) (err error) { r.on, err = scalarOf(n); return },
		},
		{
			"status", "code, class or list", "condition: the status of an answer, or the close code of a WebSocket", "status: [201, 4xx]",
			func(r *ruleText, n ast.Node) (err error) { r.status, err = listOf(n); return },
		},
		{
			"text", "pattern", "condition: the whole text. {name} takes what comes up to the next character of the pattern, {_} does so and forgets it", `text: "id: {place}\n\n{message}"`,
			func(r *ruleText, n ast.Node) (err error) { r.text, err = scalarOf(n); return },
		},
		{
			"event", "pattern", "condition: the type of the event, empty for the usual one", "event: keepalive",
			func(r *ruleText, n ast.Node) (err error) { r.event, err = scalarOf(n); return },
		},
		{
			"match", "regular expression", "condition: the text matches (as Go's package regexp says), where text isn't enough. Named groups are values of the rule. It costs more time than text", `match: '^n=(?P<number>\d+)$'`,
			func(r *ruleText, n ast.Node) (err error) { r.match, err = scalarOf(n); return },
		},
		{
			"header", "mapping of patterns", "condition: the answer has these headers", "header: {Content-Type: \"text/plain{_}\"}",
			func(r *ruleText, n ast.Node) (err error) { r.header, err = entriesOf(n); return },
		},
		{
			"json", "mapping of patterns", "condition: these values in the JSON of the text are there and have these texts", `json: {.type: message, .to.room: "{room}"}`,
			func(r *ruleText, n ast.Node) (err error) { r.json, err = entriesOf(n); return },
		},
		{
			"when", "value or list of values", "condition: all of these have a text (false and 0 are texts too: compare them by json)", "when: [joined, .push.pub]",
			func(r *ruleText, n ast.Node) (err error) { r.when, err = listOf(n); return },
		},
		{
			"unless", "value or list of values", "condition: none of these has a text", "unless: .recovered",
			func(r *ruleText, n ast.Node) (err error) { r.unless, err = listOf(n); return },
		},
		{
			"set", "mapping of templates", "sets variables, in this order", `set: {etag: "{header:Etag}"}`,
			func(r *ruleText, n ast.Node) (err error) { r.set, err = entriesOf(n); return },
		},
		{
			"message", "template", "the body of a message of the room", `message: "{.pub.data}"`,
			func(r *ruleText, n ast.Node) (err error) { r.message, err = scalarOf(n); return },
		},
		{
			"stored", "said, oldest or template", "the server has stored a message: the one that the request said (of taken only), the oldest one that isn't acknowledged yet, or the one with this number", `stored: "{ack}"`,
			func(r *ruleText, n ast.Node) (err error) { r.stored, err = scalarOf(n); return },
		},
		{
			"refused", "said or template", "the server has refused a message, likewise", "refused: said",
			func(r *ruleText, n ast.Node) (err error) { r.refused, err = scalarOf(n); return },
		},
		{
			"kept", "true", "of taken: whether the message is stored comes later, by another unit", "kept: true",
			flag(func(r *ruleText) *scalar { return &r.kept }),
		},
		{
			"ready", "true", "the user is a member of the room: messages from now on will come", "ready: true",
			flag(func(r *ruleText) *scalar { return &r.ready }),
		},
		{
			"more", "true", "ask again at once, whatever the interval is", "more: true",
			flag(func(r *ruleText) *scalar { return &r.more }),
		},
		{
			"gap", "true", "the server reports that messages are lost to the user", "gap: true",
			flag(func(r *ruleText) *scalar { return &r.gap }),
		},
		{
			"reply", "request or list of requests", "what the user sends now", "reply: {frame: pong}",
			func(r *ruleText, n ast.Node) (err error) { r.reply, err = requestsOf(n); return },
		},
		{
			"split", "lines, multipart or mapping", "divides the text into parts, each of which goes through the rules by itself: lines, the parts of a multipart answer, or as the mapping says", "split: lines",
			func(r *ruleText, n ast.Node) (err error) { r.split, err = splitOf(n); return },
		},
		{
			"into", "text", "the name of the parts, for on; part, if it is left out", "into: reply",
			func(r *ruleText, n ast.Node) (err error) { r.into, err = scalarOf(n); return },
		},
		{
			"error", "stop, repeat or rejoin", "the conversation is over, and the user gives up, does the same again after a wait, or joins again", "error: rejoin",
			func(r *ruleText, n ast.Node) (err error) { r.fails, err = scalarOf(n); return },
		},
		{
			"why", "template", "with error and refused: the reason, which is shown as the server's words", `why: "{.error.message}"`,
			func(r *ruleText, n ast.Node) (err error) { r.why, err = scalarOf(n); return },
		},
	}
}

func signKeys() []key[signText] {
	return []key[signText]{
		{
			"service", "text", "the service of AWS", "service: execute-api",
			func(s *signText, n ast.Node) (err error) { s.service, err = scalarOf(n); return },
		},
		{
			"region", "text", "its region", `region: "${AWS_REGION:-us-east-1}"`,
			func(s *signText, n ast.Node) (err error) { s.region, err = scalarOf(n); return },
		},
	}
}

func splitKeys() []key[splitText] {
	return []key[splitText]{
		{
			"separator", "text", "divides the text where this stands", `split: {separator: "\x1e"}`,
			func(s *splitText, n ast.Node) (err error) { s.separator, err = scalarOf(n); return },
		},
		{
			"each", "value", "the values of this JSON array or object; one that is missing has none", "split: {each: .publications}",
			func(s *splitText, n ast.Node) (err error) { s.each, err = scalarOf(n); return },
		},
	}
}

// A valueKey is a value of templates, and where it comes from.
type valueKey struct {
	Key
	source source
}

func valueKeys() []valueKey {
	value := func(of source, name, kind, text, example string) valueKey {
		return valueKey{Key{"value", name, kind, text, example}, of}
	}
	return []valueKey{
		value(fromRoom, "room", "everywhere", "name of the room", "get: /sub/{room}"),
		value(fromRandom, "random", "everywhere", "13 letters and digits that are drawn for each conversation, such as the name of a session", "post: /sock/000/{random}/xhr"),
		value(fromBody, "body", "in say", "the message", `body: "{body}"`),
		value(fromNumber, "n", "in say and on: taken", "number of the message, 1 for a conversation's first one", `frame: '{"id":{n},"text":{json:body}}'`),
		value(fromText, "text", "in rules, but on: begun", "the text of what came, or of the part of it", `message: "{text}"`),
		value(fromText, ".path", "where text is", "a value in the JSON of the text, by the names of objects and the places in arrays, from 0. A JSON string gives its text, null gives nothing, and any other value its JSON", `message: "{.push.pub.0}"`),
		value(fromHole, "NAME", "everywhere", "a variable of vars, a template of let, or in a rule what a pattern has found. A path may follow, if it is JSON", `message: "{args.1}"`),
		value(fromHeader, "header:NAME", "on answer, replied, opened and taken, and their parts", "a header of the answer", `set: {etag: "{header:Etag}"}`),
		value(fromStatus, "status", "on answer, replied, opened, taken and closed", "the status code, or the close code", `why: "code {status}"`),
		value(fromEvent, "event", "on event", "the type of the event", `why: "{event}"`),
		value(fromID, "id", "on event", "the id of the event", `set: {last: "{id}"}`),
	}
}

// A functionKey is a function of templates.
type functionKey struct {
	Key
	encode encoder
}

func functionKeys() []functionKey {
	function := func(encode encoder, name, text, example string) functionKey {
		return functionKey{Key{"function", name, "text", text, example}, encode}
	}
	return []functionKey{
		function(quote, "json", "the text as a JSON string, with its quotes", `body: '{"text":{json:body}}'`),
		function(escape, "query", "the text as a part of a query or form, with escapes like %20", `body: "text={query:body}"`),
		function(escape, "path", "the same, as a part of a path", `body: "to=/rooms/{path:room}"`),
		function(unescape, "unescape", "the text without such escapes", `message: "{unescape:text}"`),
		function(base64.StdEncoding.AppendEncode, "base64", "the text in base64", `headers: {Authorization: "Basic {base64:login}"}`),
	}
}
