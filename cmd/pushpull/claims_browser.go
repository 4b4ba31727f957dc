package main

import (
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
	"strconv"
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
	browsedStreams = 300             // that a page asks for, more than any limit that is known
	browseTimeout  = 2 * time.Minute // for a page to have counted its streams
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
	if m.survey.show.w != nil {
		m.survey.show.clear()
		fmt.Fprintln(m.survey.show.w, "a browser opens streams over HTTP/1.1 and HTTP/2, and WebSockets")
	}
	found, err := m.count(ctx, path)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		of.Lacking = "a browser was started and measured nothing: " + strings.ReplaceAll(err.Error(), "\n", " ")
	default:
		of.Browsed = found
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

// count lets a page open streams to two servers, one of which speaks HTTP/2, and returns how many it could.
func (m *claiming) count(ctx context.Context, path string) ([]result.Browsed, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, browseTimeout, fmt.Errorf("the page has not counted its streams within %v", browseTimeout))
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving the page: %w", err)
	}
	defer listener.Close()
	origin := "http://" + listener.Addr().String()
	page := &countingPage{calm: 3 * time.Second, asked: browsedStreams, counted: make(chan error, 1)}
	if m.survey.index.Claims.Quick {
		page.calm, page.asked = time.Second, 10
	}
	for _, secure := range []bool{false, true} {
		side := loadgen.Side{Command: []string{
			os.Args[0], "serve", "--listen", "127.0.0.1:0", "--until-eof", "--allow-origin", origin, "--store-from", storeVariable,
		}}
		if secure {
			if err := m.survey.backing.authority.secure(&side); err != nil {
				return nil, err
			}
			page.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: m.survey.backing.authority.made.Pool()}}
		}
		server, err := loadgen.StartServer(ctx, m.survey.backing.program, side.Command, storeVariable+"="+store.Default)
		if err != nil {
			return nil, err
		}
		defer func() { _ = server.Stop() }() // it was measured
		if secure {
			page.add(server, result.Browsed{By: result.ByEventSource, HTTP: "2", TLS: true})
			continue
		}
		page.add(server, result.Browsed{By: result.ByEventSource, HTTP: "1.1"})
		page.add(server, result.Browsed{By: result.ByWebSocket, HTTP: "1.1"})
	}
	pages := &http.Server{Handler: page.handler(), ReadHeaderTimeout: 5 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = pages.Serve(listener) }) // until Close
	defer serving.Wait()
	defer pages.Close()
	ended, stop, err := startBrowser(path, origin+"/")
	if err != nil {
		return nil, err
	}
	defer stop()
	select {
	case err := <-page.counted:
		return page.found, err
	case err := <-ended:
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A countingPage serves a page that opens streams to servers and counts them, one trial after the other.
type countingPage struct {
	asked   int           // streams of each trial
	calm    time.Duration // in which no stream opens, after which it is known that those left wait for another one to end
	client  http.Client
	trials  []browserTrial
	counted chan error // gets nil after the last trial

	mu    sync.Mutex
	found []result.Browsed
}

// A browserTrial is what the page needs of a trial.
type browserTrial struct {
	Server  string         `json:"server"` // URL
	By      string         `json:"by"`     // and the room of its streams
	browsed result.Browsed // before the streams are counted
}

func (c *countingPage) add(server *loadgen.Server, b result.Browsed) {
	b.Asked = c.asked
	c.trials = append(c.trials, browserTrial{server.Base.String(), b.By, b})
}

func (c *countingPage) handler() http.Handler {
	mux := http.NewServeMux()
	page := template.Must(template.New("page").Parse(browsedPage))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Execute(w, map[string]any{"Trials": c.trials, "Asked": c.asked, "Calm": c.calm.Milliseconds()}); err != nil {
			c.end(fmt.Errorf("serving the page: %w", err))
		}
	})
	in := func(use func(r *http.Request, t browserTrial) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			i, err := strconv.Atoi(r.FormValue("trial"))
			if err != nil || i < 0 || i >= len(c.trials) {
				http.Error(w, "no such trial", http.StatusNotFound)
				return
			}
			if err := use(r, c.trials[i]); err != nil {
				c.end(err)
			}
		}
	}
	mux.HandleFunc("POST /opened", in(c.send))
	mux.HandleFunc("POST /counted", in(c.keep))
	return mux
}

// send sends a message to the streams of a trial.
func (c *countingPage) send(r *http.Request, t browserTrial) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, t.Server+"/rooms/"+t.By+"/messages", strings.NewReader("hello"))
	if err != nil {
		return fmt.Errorf("sending to the streams: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("sending to the streams: %w", err)
	}
	return resp.Body.Close()
}

// keep keeps what the page has counted in a trial.
func (c *countingPage) keep(r *http.Request, t browserTrial) error {
	var found struct {
		Opened, Received int
		Blocked          bool
		Browser          string
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&found); err != nil {
		return fmt.Errorf("reading what the page has counted: %w", err)
	}
	b := t.browsed
	b.Opened, b.Received, b.Blocked, b.Browser = found.Opened, found.Received, found.Blocked, browserName(found.Browser)
	if b.Opened == 0 {
		return fmt.Errorf("the page opened no %s over HTTP/%s", b.By, b.HTTP)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found = append(c.found, b); len(c.found) == len(c.trials) {
		c.end(nil)
	}
	return nil
}

// end says that all was counted, or why it was not.
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
	// What it leaves there goes with the profile. The path is relative, as that of a socket must not be long.
	browser.Dir, browser.Env = profile.Path, append(os.Environ(), "TMPDIR=.")
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
