package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// A Trick is what an HTTP proxy does to answers that it should pass on as they are.
type Trick string

// The tricks.
const (
	None Trick = ""

	// Retry loses the answer to each request, and makes the request again: what nginx does with "proxy_next_upstream
	// error timeout non_idempotent" when the connection to a server breaks. The server has done it twice then.
	Retry Trick = "retry"

	// Twice sends each answer of known length twice on the same connection, which ends then. An answer without a request
	// must not pass for that to the next one (RFC 9112, section 6.3).
	Twice Trick = "twice"
)

// A hop is an HTTP proxy before one server. It passes on streams and upgrades.
type hop struct {
	base  *http.Transport
	trick atomic.Value // a Trick
}

// hops are those of a relay, by their addresses.
type hops struct {
	ctx     context.Context // of the relay
	serving sync.WaitGroup

	mu  sync.Mutex
	all map[string]*hop
}

// newHopRequest is the request for a hop, and its answer.
type newHopRequest struct {
	Upstream string `json:"upstream"` // host and port of the server
	Address  string `json:"address"`  // host and port of the hop
}

// make answers POST /hops.
func (h *hops) make(w http.ResponseWriter, r *http.Request) {
	var asked newHopRequest
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	one := &hop{base: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second}}
	one.trick.Store(None)
	server := &http.Server{Handler: one.handler(&url.URL{Scheme: "http", Host: asked.Upstream}), ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	stop := context.AfterFunc(h.ctx, func() { server.Close() })
	h.serving.Go(func() {
		defer one.base.CloseIdleConnections()
		defer stop()
		_ = server.Serve(listener) // it ends with the relay
	})
	asked.Address = listener.Addr().String()
	h.mu.Lock()
	h.all[asked.Address] = one
	h.mu.Unlock()
	_ = json.NewEncoder(w).Encode(asked) // a client that has gone needs no answer
}

// play answers PUT /hops/{address}, whose body is a Trick.
func (h *hops) play(w http.ResponseWriter, r *http.Request) {
	trick, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 100))
	h.mu.Lock()
	one := h.all[r.PathValue("address")]
	h.mu.Unlock()
	if err != nil || one == nil {
		http.Error(w, "there is no such hop", http.StatusNotFound)
		return
	}
	one.trick.Store(Trick(trick))
}

// largestBody bounds what a hop keeps of a request, to make it again.
const largestBody = 1 << 20

func (h *hop) handler(upstream *url.URL) http.Handler {
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Host = r.In.Host
		},
		Transport: h, FlushInterval: -1, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.trick.Load() == Twice && r.Header.Get("Upgrade") == "" {
			w = &doubling{ResponseWriter: w}
		}
		pass.ServeHTTP(w, r)
		if d, ok := w.(*doubling); ok {
			d.end()
		}
	})
}

// RoundTrip implements http.RoundTripper.
func (h *hop) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.trick.Load() != Retry || r.Header.Get("Upgrade") != "" {
		return h.base.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, largestBody)); err != nil {
			return nil, err
		}
	}
	again := func() *http.Request {
		one := r.Clone(r.Context())
		one.Body, one.ContentLength = http.NoBody, 0
		if len(body) > 0 {
			one.Body, one.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		return one
	}
	lost, err := h.base.RoundTrip(again())
	if err != nil {
		return nil, err
	}
	lost.Body.Close() // and with it, if it has a rest, the connection
	return h.base.RoundTrip(again())
}

// A doubling sends an answer of known length twice.
type doubling struct {
	http.ResponseWriter

	head   []byte // nil: the answer is passed on as it is
	body   bytes.Buffer
	passed bool
}

// Unwrap is for http.ResponseController.
func (d *doubling) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// Flush implements http.Flusher.
func (d *doubling) Flush() {
	if d.passed {
		_ = http.NewResponseController(d.ResponseWriter).Flush() // the next write fails, too
	}
}

// WriteHeader implements http.ResponseWriter.
func (d *doubling) WriteHeader(status int) {
	if d.head != nil || d.passed {
		return
	}
	if d.Header().Get("Content-Length") == "" && status != http.StatusNoContent {
		d.passed = true
		d.ResponseWriter.WriteHeader(status)
		return
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = d.Header().Write(&head) // to memory
	head.WriteString("\r\n")
	d.head = head.Bytes()
}

// Write implements http.ResponseWriter.
func (d *doubling) Write(p []byte) (int, error) {
	if d.head == nil && !d.passed {
		d.WriteHeader(http.StatusOK)
	}
	if d.passed {
		return d.ResponseWriter.Write(p)
	}
	return d.body.Write(p)
}

// end sends what was kept, twice, and waits until the user has closed the connection, or asks again.
func (d *doubling) end() {
	if d.head == nil {
		return
	}
	conn, _, err := http.NewResponseController(d.ResponseWriter).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	answer := append(d.head, d.body.Bytes()...)
	for range 2 { // apart, as far as the network keeps them so
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = conn.Read(make([]byte, 1))
}

// A Hop is an HTTP proxy in the relay's process, before one server.
type Hop struct {
	control string // where it is steered
	address string
}

// Hop makes an HTTP proxy before the server at upstream, a host and port. It passes everything on, until it plays a trick.
func (r *Relay) Hop(ctx context.Context, upstream string) (*Hop, error) {
	asked, err := json.Marshal(newHopRequest{Upstream: upstream})
	if err != nil {
		return nil, err
	}
	made, err := steer(ctx, http.MethodPost, r.control+"/hops", asked)
	var got newHopRequest
	if err == nil {
		err = json.Unmarshal(made, &got)
	}
	if err != nil {
		return nil, fmt.Errorf("making a proxy before %s: %w", upstream, err)
	}
	return &Hop{r.control + "/hops/" + got.Address, got.Address}, nil
}

// Address returns the host and port on which the proxy takes connections.
func (h *Hop) Address() string { return h.address }

// Play makes the proxy play a trick from now on.
func (h *Hop) Play(ctx context.Context, trick Trick) error {
	if _, err := steer(ctx, http.MethodPut, h.control, []byte(trick)); err != nil {
		return fmt.Errorf("making a proxy play %q: %w", trick, err)
	}
	return nil
}

// steer makes a request to a relay, and returns the body of its answer.
func steer(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, bytes.TrimSpace(answer))
	}
	return answer, err
}
