package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen"
	"pushpull/loadgen/result"
	"pushpull/transports/process"
	"pushpull/transports/scratch"
	"pushpull/transports/store"
)

const (
	browsedStreams = 300 // that a page asks for, more than any limit that is known
	browsedRoom    = "streams"
	browseTimeout  = 40 * time.Second // for a page to have counted its streams
)

//go:embed claims_browser.html.tmpl
var browsedPage string

// browse measures how many streams a browser keeps open to one server. Without a browser it says so in the index.
func (m *claiming) browse(ctx context.Context) error {
	of := m.survey.index.Claims
	path := browserPath()
	if path == "" {
		of.Lacking = "there is no Chromium in the PATH: install it, or leave out this claim"
		return nil
	}
	for _, b := range []result.Browsed{
		{By: result.ByEventSource, HTTP: "1.1"},
		{By: result.ByEventSource, HTTP: "2", TLS: true},
		{By: result.ByWebSocket, HTTP: "1.1"},
	} {
		b.Asked = browsedStreams
		if m.survey.index.Claims.Quick {
			b.Asked = 10
		}
		if m.survey.show.w != nil {
			m.survey.show.clear()
			fmt.Fprintf(m.survey.show.w, "a browser opens %d streams by %s over HTTP/%s\n", b.Asked, b.By, b.HTTP)
		}
		if err := m.browseOne(ctx, path, &b); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			of.Browsed, of.Lacking = nil, "a browser was started and measured nothing: "+strings.ReplaceAll(err.Error(), "\n", " ")
			return nil
		}
		of.Browsed = append(of.Browsed, b)
	}
	return nil
}

// browserPath returns the path of Chromium; "" if there is none.
func browserPath() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// browseOne lets a page open streams to a server of its own, and fills in how many.
func (m *claiming) browseOne(ctx context.Context, path string, b *result.Browsed) error {
	ctx, cancel := context.WithTimeoutCause(ctx, browseTimeout, fmt.Errorf("the page has not counted its streams within %v", browseTimeout))
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serving the page: %w", err)
	}
	origin := "http://" + listener.Addr().String()
	command := []string{
		os.Args[0], "serve", "--listen", "127.0.0.1:0", "--until-eof", "--allow-origin", origin, "--store-from", storeVariable,
	}
	side := loadgen.Side{Command: command}
	if b.TLS {
		if err := m.survey.backing.authority.secure(&side); err != nil {
			listener.Close()
			return err
		}
	}
	server, err := loadgen.StartServer(ctx, m.survey.backing.program, side.Command, storeVariable+"="+store.Default)
	if err != nil {
		listener.Close()
		return err
	}
	defer func() { _ = server.Stop() }() // it was measured
	counting := &countingPage{server: server.Base.String(), browsed: b, counted: make(chan error, 1)}
	if b.TLS {
		counting.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: m.survey.backing.authority.made.Pool()}}
	}
	pages := &http.Server{Handler: counting.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = pages.Serve(listener) }() // until Close
	defer pages.Close()
	ended, stop, err := startBrowser(path, origin+"/")
	if err != nil {
		return err
	}
	defer stop()
	select {
	case err := <-counting.counted:
		return err
	case err := <-ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A countingPage serves a page that opens streams and counts them.
type countingPage struct {
	server  string // URL of the server that the streams lead to
	browsed *result.Browsed
	client  http.Client
	counted chan error
}

func (c *countingPage) handler() http.Handler {
	mux := http.NewServeMux()
	page := template.Must(template.New("page").Parse(browsedPage))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		var out bytes.Buffer
		if err := page.Execute(&out, map[string]any{"Server": c.server, "Room": browsedRoom, "By": c.browsed.By, "Asked": c.browsed.Asked}); err == nil {
			w.Write(out.Bytes())
		}
	})
	mux.HandleFunc("POST /opened", func(w http.ResponseWriter, r *http.Request) { // then the streams get a message
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, c.server+"/rooms/"+browsedRoom+"/messages", strings.NewReader("hello"))
		if err != nil {
			c.end(err)
			return
		}
		resp, err := c.client.Do(req)
		if err != nil {
			c.end(fmt.Errorf("sending to the streams: %w", err))
			return
		}
		resp.Body.Close()
	})
	mux.HandleFunc("POST /counted", func(_ http.ResponseWriter, r *http.Request) {
		var found struct {
			Opened, Received int
			Blocked          bool
			Browser          string
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&found); err != nil {
			c.end(fmt.Errorf("reading what the page has counted: %w", err))
			return
		}
		b := c.browsed
		b.Opened, b.Received, b.Blocked, b.Browser = found.Opened, found.Received, found.Blocked, browserName(found.Browser)
		if b.Opened == 0 {
			c.end(errors.New("the page opened no stream at all"))
			return
		}
		c.end(nil)
	})
	return mux
}

func (c *countingPage) end(err error) {
	select {
	case c.counted <- err:
	default: // it has ended
	}
}

// chrome matches the name and version of Chromium in a user agent.
var chrome = regexp.MustCompile(`(Headless)?Chrom(e|ium)/([0-9]+)`)

// browserName returns the name of a browser out of its user agent.
func browserName(agent string) string {
	if found := chrome.FindStringSubmatch(agent); found != nil {
		return "Chromium " + found[3]
	}
	return fmt.Sprintf("%.60s", agent)
}

// startBrowser starts a headless browser with a profile of its own at a page. ended gets the reason if it ends by itself; stop ends it.
func startBrowser(path, page string) (ended <-chan error, stop func(), err error) {
	profile, err := scratch.Make("pushpull-chromium")
	if err != nil {
		return nil, nil, err
	}
	// The browser ends when its pipe does, also with a process that was killed.
	input, ours, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("starting a browser: %w", err), profile.Remove())
	}
	output, theirs, err := os.Pipe()
	if err != nil {
		input.Close()
		ours.Close()
		return nil, nil, errors.Join(fmt.Errorf("starting a browser: %w", err), profile.Remove())
	}
	args := []string{
		"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + profile.Path, "--disable-gpu", "--no-first-run", "--no-proxy-server",
		"--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--disable-quic",
		"--ignore-certificate-errors", // that of the server was made for this measurement
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // root can't have one in a container
	}
	tail := &process.Tail{}
	browser := exec.Command(path, append(args, page)...)
	browser.Stderr, browser.ExtraFiles, browser.WaitDelay = tail, []*os.File{input, theirs}, time.Second
	browser.Env = append(os.Environ(), "TMPDIR="+profile.Path) // what it leaves there goes with the profile
	err = browser.Start()
	input.Close()
	theirs.Close()
	if err != nil {
		ours.Close()
		output.Close()
		return nil, nil, errors.Join(fmt.Errorf("starting a browser: %w", err), profile.Remove())
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, output) })
	waited := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		waited <- fmt.Errorf("the browser ended: %w: %s", cmp.Or(browser.Wait(), errUnasked), tail.Last())
	}()
	return waited, func() {
		ours.Close()
		select {
		case <-done:
		case <-time.After(3 * time.Second):
			browser.Process.Kill()
			<-done
		}
		output.Close()
		reading.Wait()
		_ = profile.Remove() // a process of the browser may still write to it: then the next start removes it
	}, nil
}

var errUnasked = errors.New("nobody asked it to")
