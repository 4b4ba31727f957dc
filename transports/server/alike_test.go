package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushpull/transports"
	"pushpull/transports/store/memory"
	"pushpull/transports/transporttest"
)

// A reply holds those parts of an answer that an exchange and net/http must give alike.
type reply struct {
	status int
	header string // sorted; without Date and Connection
	body   string
}

func (r reply) String() string { return fmt.Sprintf("%d %q %q", r.status, r.header, r.body) }

// replies sends parts on a new connection, with a pause between them, and returns the answers: those that
// have come when the server closes the connection, or is idle for a minute.
func replies(t *testing.T, dial func() (net.Conn, error), parts ...string) (got []reply, rest string) {
	t.Helper()
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	defer c.Close()
	sending.Go(func() {
		for _, part := range parts {
			io.WriteString(c, part) // fails if the server has closed the connection
			time.Sleep(time.Millisecond)
		}
	})
	c.SetReadDeadline(time.Now().Add(time.Minute))
	all, _ := io.ReadAll(c)
	in := bufio.NewReader(bytes.NewReader(all))
	for {
		if _, err := in.Peek(1); err != nil {
			return got, ""
		}
		method := ""
		if strings.HasPrefix(parts[0], "HEAD ") {
			method = "HEAD"
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return got, fmt.Sprintf("%v in %q", err, all)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return got, fmt.Sprintf("%v in %q", err, all)
		}
		resp.Header.Del("Date")
		resp.Header.Del("Connection")
		var header strings.Builder
		for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
			fmt.Fprintln(&header, name, resp.Header[name])
		}
		got = append(got, reply{resp.StatusCode, header.String(), string(body)})
	}
}

// both serves the same rooms with the server's own request loop and with net/http alone. The returned
// function must be called at the end of the bubble.
func both(t *testing.T) (own, plain func() (net.Conn, error), stop func()) {
	t.Helper()
	filled := func() *Server {
		store := &memory.Store{First: 1}
		store.Append(t.Context(), "r", []byte("hello"), "")
		store.Append(t.Context(), "long", []byte(strings.Repeat("<", 50_000)), "")
		return &Server{Store: store, Limits: transports.Limits{Origins: []string{"https://chat.example"}}}
	}
	sd := inBubble(t, filled())
	sv, err := filled().start()
	if err != nil {
		t.Fatal(err)
	}
	n := transporttest.Buffered(0)
	ctx, cancel := context.WithCancelCause(context.Background())
	server := &http.Server{
		Handler: sv.routes, MaxHeaderBytes: sv.HeaderBytes, ReadHeaderTimeout: sv.HeaderTimeout, IdleTimeout: sv.IdleTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(n) }()
	return sd.dial, func() (net.Conn, error) { return n.Dial(t.Context(), "", "") }, func() {
		if err := sd.stop(); err != nil {
			t.Error("Serve:", err)
		}
		n.Close()
		cancel(transports.ErrStopping)
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error("Shutdown:", err)
		}
		<-done
		sv.log.Close()
	}
}

// Whatever a client sends, the server's own request loop answers as net/http does.
func TestAnswersAsNetHTTPDoes(t *testing.T) {
	const get, host = "GET /rooms/r/short-poll HTTP/1.1\r\n", "Host: localhost\r\n"
	const post = "POST /rooms/r/messages HTTP/1.1\r\n"
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cHVzaHB1bGwtdXNlci0xNg==\r\n"
	for name, test := range map[string]struct {
		request string
		status  int // of the first answer; 0: the connection is closed without one
		answers int // 0: one
	}{
		"a poll":                      {get + host + "\r\n", 200, 0},
		"a poll with a query":         {"GET /rooms/r/short-poll?after=1 HTTP/1.1\r\n" + host + "\r\n", 204, 0},
		"a bad cursor":                {"GET /rooms/r/short-poll?after=x HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a cursor beyond the end":     {"GET /rooms/r/short-poll?after=9 HTTP/1.1\r\n" + host + "\r\n", 410, 0},
		"a bad query":                 {"GET /rooms/r/short-poll?%zz=;&after=0 HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"a bad user":                  {"GET /rooms/r/short-poll?user=%00 HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a long answer":               {"GET /rooms/long/short-poll HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"a held poll":                 {"GET /rooms/r/long-poll?after=1&hold=2s HTTP/1.1\r\n" + host + "\r\n", 204, 0},
		"a held poll that has news":   {"GET /rooms/r/long-poll?after=0&hold=2s HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"a held poll with a gap":      {"GET /rooms/r/long-poll?after=7&hold=2s HTTP/1.1\r\n" + host + "\r\n", 410, 0},
		"a bad hold":                  {"GET /rooms/r/long-poll?hold=x HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a scan":                      {"GET /rooms/r/long-poll-scan?after=1&hold=2s HTTP/1.1\r\n" + host + "\r\n", 204, 0},
		"HTTP/1.0":                    {"GET /rooms/r/short-poll HTTP/1.0\r\n" + host + "\r\n", 200, 0},
		"HTTP/1.0 without a host":     {"GET /rooms/r/short-poll HTTP/1.0\r\n\r\n", 200, 0},
		"HTTP/1.2":                    {"GET /rooms/r/short-poll HTTP/1.2\r\n" + host + "\r\n", 200, 0},
		"HTTP/2.0":                    {"GET /rooms/r/short-poll HTTP/2.0\r\n" + host + "\r\n", 505, 0},
		"two versions":                {"GET /rooms/r/short-poll HTTP/1.0 HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"no version":                  {"GET /rooms/r/short-poll\r\n" + host + "\r\n", 400, 0},
		"no host":                     {get + "\r\n", 400, 0},
		"an empty host":               {get + "Host:\r\n\r\n", 200, 0},
		"two hosts":                   {get + host + host + "\r\n", 400, 0},
		"a bad host":                  {get + "Host: local host\r\n\r\n", 400, 0},
		"a host with a path":          {get + "Host: localhost/x\r\n\r\n", 400, 0},
		"a foreign host":              {get + "Host: evil.example\r\n\r\n", 421, 0},
		"a folded header":             {get + host + "X: a\r\n b\r\n\r\n", 200, 0},
		"a folded first header":       {get + " X: a\r\n" + host + "\r\n", 400, 0},
		"a space before the colon":    {get + host + "X : a\r\n\r\n", 400, 0},
		"no colon":                    {get + host + "X\r\n\r\n", 400, 0},
		"no name":                     {get + host + ": a\r\n\r\n", 400, 0},
		"a name not a token":          {get + host + "X(y): a\r\n\r\n", 400, 0},
		"an odd name":                 {get + host + "X!#$: a\r\n\r\n", 200, 0},
		"a NUL":                       {get + host + "X: a\x00b\r\n\r\n", 400, 0},
		"a tab":                       {get + host + "X:\ta\tb\r\n\r\n", 200, 0},
		"not ASCII":                   {get + host + "X: \xe9\r\n\r\n", 200, 0},
		"not ASCII in the path":       {"GET /rooms/\xe9/short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"bare line feeds":             {strings.ReplaceAll(get+host+"\r\n", "\r\n", "\n"), 200, 0},
		"one bare line feed":          {get + "X: a\n" + host + "\r\n", 200, 0},
		"a bare line feed at the end": {get + host + "\n", 200, 0},
		"a bare carriage return":      {get + "X: a\rb\r\n" + host + "\r\n", 400, 0},
		"empty lines before":          {"\r\n\r\n" + get + host + "\r\n", 400, 0},
		"TE":                          {get + host + "TE: trailers\r\n\r\n", 200, 0},
		"Trailer":                     {get + host + "Trailer: X\r\n\r\n", 200, 0},
		"an upgrade to h2c":           {get + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n", 200, 0},
		"an upgrade of a held poll":   {"GET /rooms/r/long-poll?after=1&hold=2s HTTP/1.1\r\n" + host + upgrade + "\r\n", 204, 0},
		"a WebSocket without one":     {"GET /rooms/r/websocket HTTP/1.1\r\n" + host + "\r\n", 426, 0},
		"a lean one without a key":    {"GET /rooms/r/websocket-lean HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", 400, 0},
		"a WebSocket of a page":       {"GET /rooms/r/websocket HTTP/1.1\r\n" + host + "Origin: https://evil.example\r\n" + upgrade + "\r\n", 403, 0},
		"lower case":                  {"get /rooms/r/short-poll HTTP/1.1\r\n" + host + "\r\n", 405, 0},
		"PUT":                         {"PUT /rooms/r/messages HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx", 405, 0},
		"HEAD":                        {"HEAD /rooms/r/short-poll HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"OPTIONS":                     {"OPTIONS /rooms/r/short-poll HTTP/1.1\r\n" + host + "Origin: https://chat.example\r\nAccess-Control-Request-Method: GET\r\n\r\n", 204, 0},
		"OPTIONS *":                   {"OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"CONNECT":                     {"CONNECT localhost:80 HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a page that is allowed":      {get + host + "Origin: https://chat.example\r\n\r\n", 200, 0},
		"a held poll of a page":       {"GET /rooms/r/long-poll?after=1&hold=2s HTTP/1.1\r\n" + host + "Origin: https://chat.example\r\n\r\n", 204, 0},
		"a page that is not allowed":  {post + host + "Origin: https://evil.example\r\nContent-Length: 2\r\n\r\nhi", 403, 0},
		"an absolute URI":             {"GET http://localhost/rooms/r/short-poll HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"an absolute URI elsewhere":   {"GET http://evil.example/rooms/r/short-poll HTTP/1.1\r\n" + host + "\r\n", 421, 0},
		"an escaped path":             {"GET /rooms/%72/short-poll HTTP/1.1\r\n" + host + "\r\n", 200, 0},
		"an escaped slash":            {"GET /rooms/r%2Fx/short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a bad escape":                {"GET /rooms/%zz/short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a path with dots":            {"GET /rooms/r/../r/short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a path with two slashes":     {"GET /rooms//short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"a path with a slash more":    {"GET /rooms/r/short-poll/ HTTP/1.1\r\n" + host + "\r\n", 404, 0},
		"a fragment":                  {"GET /rooms/r/short-poll#x HTTP/1.1\r\n" + host + "\r\n", 404, 0},
		"a bad room":                  {"GET /rooms/a~b/short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"no such transport":           {"GET /rooms/r/polling HTTP/1.1\r\n" + host + "\r\n", 404, 0},
		"GET of messages":             {"GET /rooms/r/messages HTTP/1.1\r\n" + host + "\r\n", 405, 0},
		"POST to a transport":         {"POST /rooms/r/short-poll HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi", 405, 0},
		"no room at all":              {"GET /rooms/ HTTP/1.1\r\n" + host + "\r\n", 404, 0},
		"a message":                   {post + host + "Content-Length: 2\r\n\r\nhi", 201, 0},
		"an empty message":            {post + host + "Content-Length: 0\r\n\r\n", 201, 0},
		"a message without a length":  {post + host + "\r\n", 201, 0},
		"a message in JSON":           {post + host + "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"body\":\"hi\"}", 201, 0},
		"bad JSON":                    {post + host + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\nhi", 400, 0},
		"not UTF-8":                   {post + host + "Content-Length: 1\r\n\r\n\xe9", 400, 0},
		"two lengths":                 {post + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 201, 0},
		"two lengths that differ":     {post + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", 400, 0},
		"a list of lengths":           {post + host + "Content-Length: 2, 2\r\n\r\nhi", 400, 0},
		"a length with a sign":        {post + host + "Content-Length: +2\r\n\r\nhi", 400, 0},
		"a length with spaces":        {post + host + "Content-Length: \t2 \r\n\r\nhi", 201, 0},
		"a negative length":           {post + host + "Content-Length: -1\r\n\r\nhi", 400, 0},
		"no number":                   {post + host + "Content-Length: two\r\n\r\nhi", 400, 0},
		"a length beyond 64 bits":     {post + host + "Content-Length: 18446744073709551616\r\n\r\nhi", 400, 0},
		"chunked":                     {post + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 201, 0},
		"chunked with a length":       {post + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 201, 0},
		"another encoding":            {post + host + "Transfer-Encoding: gzip\r\n\r\nhi", 501, 0},
		"too large":                   {post + host + "Content-Length: 70000\r\n\r\n" + strings.Repeat("x", 70000), 413, 0},
		"too large, and announced":    {post + host + "Content-Length: 70000000\r\n\r\n" + strings.Repeat("x", 70000), 413, 0},
		"the largest":                 {post + host + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), 201, 0},
		"a body that never comes":     {post + host + "Content-Length: 2\r\n\r\n", 400, 0},
		"half a body":                 {post + host + "Content-Length: 2\r\n\r\nh", 400, 0},
		"a GET with a body":           {get + host + "Content-Length: 2\r\n\r\nhi", 200, 0},
		"a GET with an empty body":    {get + host + "Content-Length: 0\r\n\r\n", 200, 0},
		"Expect":                      {post + host + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", 100, 2},
		"another Expect":              {post + host + "Expect: a miracle\r\nContent-Length: 2\r\n\r\nhi", 417, 0},
		"the last request":            {get + host + "Connection: close\r\n\r\n" + get + host + "\r\n", 200, 0},
		"the last held one":           {"GET /rooms/r/long-poll?after=1&hold=2s HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n" + get + host + "\r\n", 204, 0},
		"two at once":                 {get + host + "\r\n" + get + host + "\r\n", 200, 2},
		"fifty at once":               {strings.Repeat(get+host+"\r\n", 50), 200, 50},
		"a message and a poll":        {post + host + "Content-Length: 2\r\n\r\nhi" + get + host + "\r\n", 201, 2},
		"a poll and a held one":       {get + host + "\r\nGET /rooms/r/long-poll?after=1&hold=2s HTTP/1.1\r\n" + host + "\r\n", 200, 2},
		"a held one and a poll":       {"GET /rooms/r/long-poll?after=1&hold=2s HTTP/1.1\r\n" + host + "\r\n" + get + host + "\r\n", 204, 2},
		"an odd one after a poll":     {get + host + "\r\nGET /rooms/r/short-poll HTTP/1.0\r\n" + host + "\r\n", 200, 2},
		"a bad one after a poll":      {get + host + "\r\n" + get + host + host + "\r\n", 200, 2},
		"others after a poll":         {get + host + "\r\nGET /healthz HTTP/1.1\r\n" + host + "\r\n" + get + host + "\r\n", 200, 3},
		"garbage after a poll":        {get + host + "\r\n\x00\x01\x02\r\n\r\n", 200, 2},
		"a head of 5 KB":              {get + host + "X: " + strings.Repeat("x", 5<<10) + "\r\n\r\n", 200, 0},
		"a head of nearly 4 KB":       {get + host + "X: " + strings.Repeat("x", 4000) + "\r\n\r\n", 200, 0},
		"a head of 17 KB":             {get + host + "X: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", 200, 0},
		"a head of 30 KB":             {get + host + "X: " + strings.Repeat("x", 30<<10) + "\r\n\r\n", 431, 0},
		"a long path":                 {"GET /rooms/" + strings.Repeat("x", 3000) + "/short-poll HTTP/1.1\r\n" + host + "\r\n", 400, 0},
		"many headers":                {get + host + strings.Repeat("X: y\r\n", 500) + "\r\n", 200, 0},
		"a head that never ends":      {get + host, 0, 0},
		"another protocol":            {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, 0},
		"TLS":                         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, 0},
		"words":                       {"hello\r\n\r\n", 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own, plain, stop := both(t)
				defer stop()
				want, rest := replies(t, plain, test.request)
				if rest != "" {
					t.Fatalf("net/http: %s", rest)
				}
				got, rest := replies(t, own, test.request)
				if rest != "" || !slices.Equal(got, want) {
					t.Errorf("got %.1000s %s\nwant %.1000s", fmt.Sprint(got), rest, fmt.Sprint(want))
				}
				first, n := 0, 0
				if len(got) > 0 {
					first, n = got[0].status, len(got)
				}
				if answers := max(test.answers, min(test.status, 1)); first != test.status || n != answers {
					t.Errorf("%d answers, the first with %d, want %d with %d", n, first, answers, test.status)
				}
			})
		})
	}
}

// A request may come in pieces, cut anywhere.
func TestRequestsInPieces(t *testing.T) {
	const host = "Host: localhost\r\n"
	for name, request := range map[string]string{
		"a message and polls": "POST /rooms/r/messages HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi" +
			"GET /rooms/r/long-poll?after=2&hold=1s HTTP/1.1\r\n" + host + "\r\nGET /rooms/r/short-poll HTTP/1.1\r\n" + host + "\r\n",
		"bare line feeds": strings.ReplaceAll("GET /rooms/r/short-poll HTTP/1.1\r\n"+host+"\r\n", "\r\n", "\n"),
		"others":          "GET /healthz HTTP/1.1\r\n" + host + "\r\nGET /rooms/r/short-poll HTTP/1.1\r\n" + host + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			pieces := [][]string{strings.SplitAfter(request, "")}
			for at := 1; at < len(request); at++ {
				pieces = append(pieces, []string{request[:at], request[at:]})
			}
			for _, parts := range pieces {
				synctest.Test(t, func(t *testing.T) {
					own, plain, stop := both(t)
					defer stop()
					want, rest := replies(t, plain, parts...)
					if rest != "" {
						t.Fatalf("net/http: %s", rest)
					}
					if got, rest := replies(t, own, parts...); rest != "" || !slices.Equal(got, want) || len(got) == 0 {
						t.Errorf("cut after %q:\ngot %v %s\nwant %v", parts[0], got, rest, want)
					}
				})
			}
		})
	}
}

// A seen request is what a handler sees of a request.
type seen struct {
	method, uri, path, host, header, body string
	length                                int64
	last                                  bool // on its connection
}

func see(r *http.Request) seen {
	body, _ := io.ReadAll(r.Body)
	var header strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&header, "%s %q\n", name, r.Header[name])
	}
	return seen{r.Method, r.RequestURI, r.URL.Path, r.Host, header.String(), string(body), r.ContentLength, r.Close}
}

// FuzzPlain checks that whatever the server takes for a plain request, net/http's server reads alike: as the
// same request, and as one.
func FuzzPlain(f *testing.F) {
	for _, head := range []string{
		"GET /rooms/r/long-poll?after=7&hold=20s HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\n\r\n",
		"POST /rooms/r/messages HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
		"GET /rooms/%72/short-poll HTTP/1.1\r\nhost: a\r\nConnection: close\r\nX-A: \r\nX-a:b\r\n\r\n",
		"GET /rooms/r/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET /rooms/a b HTTP/1.0 HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /rooms/?#% HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n",
		"GET /rooms/r/short-poll HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nCookie: c=d\r\nPragma: no-cache\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 || len(data) > headMost {
			return
		}
		head := data[:end+4]
		req, ok := plain(t.Context(), head)
		if !ok || req.ContentLength > headMost {
			return
		}
		length := req.ContentLength
		req.Body = io.NopCloser(io.LimitReader(strings.NewReader(strings.Repeat("x", headMost)), length))
		want := see(req)
		synctest.Test(t, func(t *testing.T) {
			n := transporttest.Buffered(0)
			var all []seen
			server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { all = append(all, see(r)) })}
			done := make(chan error, 1)
			go func() { done <- server.Serve(n) }()
			got, rest := replies(t, func() (net.Conn, error) { return n.Dial(t.Context(), "", "") }, string(head)+strings.Repeat("x", int(length)))
			server.Close()
			<-done
			if len(all) != 1 || all[0] != want || len(got) != 1 || rest != "" {
				t.Errorf("%q is read as\n%+v, and by net/http as\n%+v, which answers %v %s", head, want, all, got, rest)
			}
		})
	})
}
