package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cli/browser"
	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/report"
	"pushpull/report/theory"
	"pushpull/report/web"
	"pushpull/transports"
)

type watchOptions struct {
	address string
	open    bool
}

func (o *watchOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.address, "watch", "", "`ADDRESS` serve a page of the run while it works, like :8090; the default host is loopback, port 0 is any free one")
	f.BoolVar(&o.open, "open", false, "serve the report until Ctrl-C, and open it in the browser if there is one")
}

// listen returns nil if there is nothing to serve.
func (o *watchOptions) listen() (net.Listener, error) {
	address := "127.0.0.1:0"
	switch {
	case o.address != "":
		var err error
		if address, err = listenAddress("watch", o.address); err != nil {
			return nil, err
		}
	case !o.open:
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: use --watch with another address or port", err)
	}
	return l, nil
}

// host returns the host of --watch, "" if it is missing.
func (o *watchOptions) host() string {
	host, _, _ := net.SplitHostPort(o.address)
	return host
}

// A watcher serves the live page of a run, and the report after it. One goroutine at a time may use it.
// A nil watcher serves nothing.
type watcher struct {
	out    io.Writer // for messages to the user
	base   string    // URL of the server
	server http.Server
	served chan struct{} // closed when the server has ended, and failed is set
	failed error
	down   bool // check has warned that the server failed
	live   web.Live
	begun  time.Time
	state  web.State // the last one, without the window under way
}

// newWatcher starts serving the run that rec keeps, and the results of other runs, on l. host is the host
// it listens on, as the user named it.
func newWatcher(out io.Writer, l net.Listener, host string, runs *web.Results, rec *record) *watcher {
	run := rec.results[0].result.Run
	w := &watcher{
		out: out, base: "http://" + reachable(l.Addr()), served: make(chan struct{}), begun: time.Now(),
		state: web.State{
			Scenario: run.Scenario.Name, About: run.Scenario.About, Command: run.Command, Started: run.Started,
			Status: web.Running, Users: run.Scenario.Users, Standings: standings(rec),
		},
	}
	w.live.Set(w.state)
	w.server = http.Server{
		Handler: transports.Hosts{
			Others: []string{host}, Advice: "open " + w.base + "/",
		}.Handler((&web.Pages{Live: &w.live, Results: runs}).Handler()),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // errors of browsers would disturb the output of the run
	}
	go func() {
		defer close(w.served)
		w.failed = w.server.Serve(l)
	}()
	return w
}

// reachable returns a host and port at which this machine can connect to a server that listens on
// address.
func reachable(address net.Addr) string {
	if tcp, ok := address.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return address.String()
}

// update shows the progress of the run.
func (w *watcher) update(now loadgen.Progress) {
	if w == nil {
		return
	}
	w.check()
	s := &w.state
	s.Round, s.Rounds, s.Window, s.Windows = now.Round, now.Rounds, now.Window, now.Windows
	s.Transport, s.Side, s.Phase = now.Transport, now.Side, now.Phase
	s.Users, s.Joined, s.Agents, s.JoinPerS, s.Planned, s.Sent = now.Users, now.Joined, now.Agents, now.JoinedPerS, now.Planned, now.Sent
	s.LeftS = now.Left.Seconds()
	passed := time.Since(w.begun).Seconds()
	s.Share = max(s.Share, passed/(passed+s.LeftS))
	shown := *s
	shown.Standings = make([]web.Standing, len(s.Standings))
	for i, standing := range s.Standings {
		if standing.Transport == now.Transport && standing.Side == now.Side {
			p50, p99 := now.Latency()
			standing.Now = &web.Figures{
				Delivered: now.Delivered, Expected: now.Expected,
				P50: p50.Seconds() * 1e3, P99: p99.Seconds() * 1e3,
			}
		}
		shown.Standings[i] = standing
	}
	w.live.Set(shown)
}

// window shows the windows in rec, after another one has ended.
func (w *watcher) window(rec *record) {
	if w == nil {
		return
	}
	w.state.Standings = standings(rec)
	w.live.Set(w.state)
}

// standings returns the standings of all transports of rec, ordered by transport and then by store.
func standings(rec *record) []web.Standing {
	run := rec.results[0].result.Run.Scenario
	found := make([]web.Standing, 0, len(run.Transports)*len(rec.results))
	for _, transport := range run.Transports {
		way := loadgen.WayOf(rec.against.way(transport)).Class()
		for i := range rec.results {
			if i > 0 && isForeign(transport) { // foreign servers are part of the first result alone
				continue
			}
			found = append(found, web.Standing{Transport: transport, Way: way, Side: rec.names[i], Rounds: run.Rounds})
		}
	}
	for i, one := range rec.results {
		for _, row := range theory.Rows(&one.result) {
			for at := range found {
				if s := &found[at]; s.Transport == row.Transport && s.Side == rec.names[i] {
					s.Measure(row)
				}
			}
		}
	}
	return found
}

// drawing shows that all windows are measured, what they say, and that the report is being drawn.
func (w *watcher) drawing(runs []report.Run) {
	if w == nil {
		return
	}
	w.state.Transport, w.state.Side, w.state.Phase, w.state.LeftS = "", "", "drawing the report", 0
	w.state.Verdict, w.state.Answer = words(report.Answers(runs...))
	w.live.Set(w.state)
}

// words returns the first sentence of an answer, and its paragraphs without it.
func words(answer []report.Paragraph) (first string, rest []string) {
	for i, p := range answer {
		sentences := p.Sentences
		label := ""
		if p.Run != "" {
			label = p.Run + ": "
		}
		if i == 0 {
			first, sentences, label = label+sentences[0], sentences[1:], ""
		}
		if len(sentences) > 0 {
			rest = append(rest, label+strings.Join(sentences, " "))
		}
	}
	return first, rest
}

// end shows that the run ended, with err. dir is where its result is, empty if nothing was measured. If
// there is a report to open, it serves that until ctx ends.
func (w *watcher) end(ctx context.Context, dir, page string, err error) {
	if w == nil {
		return
	}
	w.check()
	s := &w.state
	s.LeftS, s.Dir = 0, dir
	if file := filepath.Join(dir, report.Page); dir != "" && isFile(file) {
		s.File = file
	}
	switch {
	case err == nil || exitCode(err) == exitDoubtful:
		s.Status, s.Share = web.Done, 1
	case ctx.Err() != nil:
		s.Status, s.Error = web.Interrupted, err.Error()
	default:
		s.Status, s.Error = web.Failed, err.Error()
	}
	stay := page != "" && ctx.Err() == nil && !w.down
	if stay {
		s.Report, s.Charts = page, charts(dir, page)
	}
	w.live.Set(*s)
	if stay {
		fmt.Fprintf(w.out, "the report is at %s%s until Ctrl-C\n", w.base, page)
		openBrowser(w.base + page)
		select {
		case <-ctx.Done():
		case <-w.served:
			w.check()
		}
	}
	w.close()
}

// charts returns links to the charts in dir, which are served beside the report of a single run.
func charts(dir, page string) (links []report.Link) {
	beside, name := path.Split(page)
	if name != report.Page {
		return nil // several runs: their charts are on the page alone
	}
	for _, chart := range report.Charts() {
		if file := chart.Name + ".svg"; isFile(filepath.Join(dir, file)) {
			links = append(links, report.Link{Text: chart.Title, URL: beside + file})
		}
	}
	return links
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// check warns, once, if the server failed. The run goes on without its page.
func (w *watcher) check() {
	select {
	case <-w.served:
		if !w.down {
			w.down = true
			fmt.Fprintf(w.out, "pushpull: warning: the pages of the run are no longer served: %v\n", w.failed)
		}
	default:
	}
}

// close stops the server once the open pages have the last state, or after a second.
func (w *watcher) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if w.server.Shutdown(ctx) != nil {
		w.server.Close()
	}
	<-w.served
}

// root returns the directory whose runs are shown together with the one in dir.
func (d destination) root(dir string) string {
	if d.out != "" {
		return dir
	}
	return d.results
}

// reportURL returns the path and query at which the pages of a web.Results of root show rec.
func reportURL(root string, rec *record) string {
	var names []string
	for _, one := range rec.results {
		if len(one.result.Windows) > 0 {
			names = append(names, runName(root, one.dir))
		}
	}
	if len(names) == 1 {
		return (&url.URL{Path: path.Join("/results", names[0], report.Page)}).EscapedPath()
	}
	return "/results?" + url.Values{"run": names}.Encode()
}

// runName returns the name of the run in dir on the pages of a web.Results of root: its path below
// root, or the name of the directory if it is root itself.
func runName(root, dir string) string {
	root, err := filepath.Abs(root)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	name, err2 := filepath.Rel(root, dir)
	if errors.Join(err, err2) != nil || name == "." {
		name = filepath.Base(dir)
	}
	return filepath.ToSlash(name)
}

// openBrowser opens a page in the browser, if there is one. It doesn't wait, as the command may be the
// browser itself, which runs until it is closed.
func openBrowser(url string) {
	if runtime.GOOS == "linux" && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" && os.Getenv("BROWSER") == "" {
		return // there is no screen
	}
	browser.Stdout, browser.Stderr = nil, nil // its output would disturb that of the run
	go func() { _ = browser.OpenURL(url) }()  // an error doesn't matter: the address was printed
}
