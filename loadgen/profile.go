package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushpull/loadgen/result"
	"pushpull/transports"
)

const (
	profileTimeout = 10 * time.Second // for a server to answer, beyond the time that it is profiled
	mostProfile    = 64 << 20         // bytes of a profile
)

// A Profile is a profile of a process during the measured part of a window, as go tool pprof reads it.
type Profile struct {
	Transport string // as on the command line
	Round     int
	Of        string // "generator", "server", or "server-2" of several
	Kind      string // "cpu", or "heap" at the end of the measured part
	Data      []byte
}

// File returns a name for the file of the profile, like "websocket-round1-server.cpu.pprof". It is safe on
// every system, whatever the name of the transport is; two transports may share it.
func (p Profile) File() string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@.-_", r) {
			return r
		}
		return '-'
	}, p.Transport)
	const most = 80 // characters; all are of one byte
	name = cmp.Or(strings.TrimLeft(name[:min(len(name), most)], ".-"), "transport")
	return fmt.Sprintf("%s-round%d-%s.%s.pprof", name, p.Round, p.Of, p.Kind)
}

// A profiler profiles the generator and the servers during the measured part of a window. A profile that
// can't be made is left out, with the reason; the window is measured nevertheless.
type profiler struct {
	window    *window
	cpu       bytes.Buffer // of the generator
	profiling bool         // the generator's CPU profile is on
	stop      context.CancelFunc
	asking    sync.WaitGroup
	servers   []*profiled
	reasons   []error
}

// A profiled is a server that is being profiled. Its fields are known once asking has ended.
type profiled struct {
	at  *url.URL
	of  string
	cpu []byte
	err error
}

// profile begins to profile for a time. If ctx ends, the CPU profiles of the servers are lost.
func (w *window) profile(ctx context.Context, length time.Duration) *profiler {
	p := &profiler{window: w}
	asking, stop := context.WithCancel(ctx)
	p.stop = stop
	if err := pprof.StartCPUProfile(&p.cpu); err != nil {
		p.lack(fmt.Errorf("profiling the CPU of the generator: %w", err))
	} else {
		p.profiling = true
	}
	seconds := max(1, int(length.Seconds())) // the server takes whole seconds
	for i, server := range w.started {
		of := "server"
		if len(w.started) > 1 {
			of += "-" + strconv.Itoa(i+1)
		}
		if server.pprof == nil {
			p.lack(fmt.Errorf("profiling the %s: %w", of, w.nowhere))
			continue
		}
		s := &profiled{at: server.pprof, of: of}
		p.servers = append(p.servers, s)
		p.asking.Go(func() {
			s.cpu, s.err = fetchProfile(asking, s.at.JoinPath("profile"), time.Duration(seconds)*time.Second, "seconds="+strconv.Itoa(seconds))
		})
	}
	return p
}

func (p *profiler) lack(err error) { p.reasons = append(p.reasons, err) }

// giveUp ends profiling. It may be called after end, too.
func (p *profiler) giveUp() {
	p.stop()
	p.asking.Wait()
	if p.profiling {
		p.profiling = false
		pprof.StopCPUProfile()
	}
}

// end ends profiling, takes the profiles of the heaps, and hands all to the window.
func (p *profiler) end(ctx context.Context) {
	w := p.window
	p.asking.Wait()
	if p.profiling {
		p.profiling = false
		pprof.StopCPUProfile()
		p.keep("generator", "cpu", p.cpu.Bytes(), nil)
	}
	var heap bytes.Buffer
	err := pprof.Lookup("heap").WriteTo(&heap, 0)
	p.keep("generator", "heap", heap.Bytes(), err)
	for _, s := range p.servers {
		if s.err != nil && ctx.Err() != nil {
			s.err = errors.New("the window was interrupted")
		}
		p.keep(s.of, "cpu", s.cpu, s.err)
		data, err := fetchProfile(context.WithoutCancel(ctx), s.at.JoinPath("heap"), 0, "")
		p.keep(s.of, "heap", data, err)
	}
	w.unprofiled = errors.Join(p.reasons...)
	if w.target {
		w.unprofiled = errors.Join(w.unprofiled, errors.New("the server at the target is not asked for profiles: start it with --pprof, and use go tool pprof"))
	}
}

// keep keeps a profile, or the reason why there is none.
func (p *profiler) keep(of, kind string, data []byte, err error) {
	if err != nil {
		p.lack(fmt.Errorf("profiling the %s of the %s: %w", kind, of, err))
		return
	}
	w := p.window
	w.profiles = append(w.profiles, Profile{Transport: w.name, Round: w.round, Of: of, Kind: kind, Data: data})
}

// deliver hands the profiles of the window to keep, and notes in its result where they are.
func (w *window) deliver(out *result.Window, keep func(Profile) (file string, err error)) {
	reason := w.unprofiled
	for _, p := range w.profiles {
		file, err := keep(p)
		if err != nil {
			reason = errors.Join(reason, fmt.Errorf("keeping a profile: %w", err))
			continue
		}
		out.Profiles = append(out.Profiles, file)
	}
	if reason != nil {
		out.Unprofiled = strings.ReplaceAll(reason.Error(), "\n", "; ")
	}
	w.profiles = nil
}

// fetchProfile asks a server for a profile that takes a time to make.
func fetchProfile(ctx context.Context, at *url.URL, takes time.Duration, query string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, takes+profileTimeout)
	defer cancel()
	address := *at
	address.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostProfile+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answered %s: %.200s", resp.Status, transports.Redacted(strings.TrimSpace(string(data))))
	case len(data) > mostProfile:
		return nil, fmt.Errorf("the profile has more than %d bytes", mostProfile)
	}
	return data, nil
}
