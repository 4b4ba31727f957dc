// Package proxy runs a real proxy between simulated users and a server under test: nginx or HAProxy, as it comes or as its
// documentation says for connections that stay open. The program must be in the PATH; its configuration is written for one
// server, to a temporary directory.
//
// It measures nothing: the proxy's CPU and memory are those of neither side.
package proxy

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"pushpull/transports/process"
)

//go:embed *.conf.tmpl
var files embed.FS

var templates = template.Must(template.ParseFS(files, "*.conf.tmpl"))

// A Kind is a program and its configuration.
type Kind struct {
	Name    string // on the command line
	About   string // what the configuration is
	Program string
	Package string // of Debian and others, which installs the program

	file  string // the template
	tuned bool
	args  func(dir, file string) []string
}

// Kinds returns all kinds.
func Kinds() []Kind {
	nginx := Kind{
		Name: "nginx", About: "nginx as it comes: HTTP/1.0 to the server, no upgrades, answers buffered, 60 s of silence",
		Program: "nginx", Package: "nginx", file: "nginx.conf.tmpl",
		args: func(dir, file string) []string { return []string{"-p", dir, "-c", file, "-e", "stderr"} },
	}
	haproxy := Kind{
		Name: "haproxy", About: "HAProxy with the timeouts of Debian's configuration: 50 s of silence",
		Program: "haproxy", Package: "haproxy", file: "haproxy.conf.tmpl",
		args: func(_, file string) []string { return []string{"-db", "-q", "-f", file} },
	}
	tunedNginx, tunedHAProxy := nginx, haproxy
	tunedNginx.Name, tunedNginx.tuned = "nginx-tuned", true
	tunedNginx.About = "nginx as its documentation says: HTTP/1.1, upgrades, proxy_buffering off, proxy_read_timeout 1h"
	tunedHAProxy.Name, tunedHAProxy.tuned = "haproxy-tuned", true
	tunedHAProxy.About = "HAProxy as its documentation says: timeout tunnel 1h, and timeouts longer than a poll is held"
	return []Kind{nginx, tunedNginx, haproxy, tunedHAProxy}
}

// Names returns the names of all kinds.
func Names() (names []string) {
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// Find returns the kind with a name, and whether there is one.
func Find(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Path returns the file of the program. The error says how to install it.
func (k Kind) Path() (string, error) {
	for _, name := range []string{k.Program, "/usr/sbin/" + k.Program} { // which only root has in its PATH
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in the PATH: install it, as with apt install %s", k.Program, k.Package)
}

// A Front is where a proxy takes connections, and which server it leads to.
type Front struct {
	Server string // its host and port

	// Certificate is a file with a certificate and its key, in PEM form, by which the proxy speaks TLS to users; "": it
	// doesn't.
	Certificate string
}

// settings are what a template takes.
type settings struct {
	Front
	Dir         string
	Port        int
	Files       int // that the proxy may open
	Connections int // of users, each of which takes one to the server too
	Tuned       bool
}

const (
	tries     = 5                // at a free port, which another program may take first
	startTime = 10 * time.Second // for the proxy to listen
	stopTime  = 3 * time.Second  // for the proxy to end
	lookEvery = 20 * time.Millisecond
	ownFiles  = 100 // that a proxy needs besides those of connections
)

// Serve runs a proxy until ctx ends. Once it takes connections it writes where, as "listening on http://127.0.0.1:4711".
func (k Kind) Serve(ctx context.Context, front Front, announce, log io.Writer) error {
	path, err := k.Path()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pushpull-"+k.Program+"-")
	if err != nil {
		return fmt.Errorf("starting %s: %w", k.Name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()     // what is left is a configuration
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the proxy's workers are another user if this is root
		return fmt.Errorf("starting %s: %w", k.Name, err)
	}
	for range tries {
		if again, err := k.serve(ctx, path, dir, front, announce, log); !again {
			return err
		}
	}
	return fmt.Errorf("starting %s: other programs took %d ports that were free: try again", k.Name, tries)
}

// serve runs the proxy on a port. again says that the port was taken before the proxy had it.
func (k Kind) serve(ctx context.Context, path, dir string, front Front, announce, log io.Writer) (again bool, err error) {
	port, err := freePort()
	if err != nil {
		return false, err
	}
	file := filepath.Join(dir, k.file)
	var text strings.Builder
	limit := min(max(process.FileLimit(), 1024), 1<<20)
	err = templates.ExecuteTemplate(&text, k.file, settings{
		Front: front, Dir: dir, Port: port, Files: limit, Connections: (limit - ownFiles) / 2, Tuned: k.tuned,
	})
	if err == nil {
		err = os.WriteFile(file, []byte(text.String()), 0o644) //nolint:gosec // the proxy's workers read it
	}
	if err != nil {
		return false, fmt.Errorf("writing the configuration of %s: %w", k.Name, err)
	}
	cmd := exec.Command(path, k.args(dir, file)...)
	var said process.Tail
	cmd.Stdout, cmd.Stderr = &said, io.MultiWriter(&said, log)
	ended := make(chan struct{})
	if err := start(cmd, ended); err != nil {
		return false, fmt.Errorf("starting %s: %w", k.Name, err)
	}
	var waited error
	go func() {
		waited = cmd.Wait()
		close(ended)
	}()
	stop := func() {
		interrupt(cmd)
		late := time.AfterFunc(stopTime, func() { cmd.Process.Kill() })
		<-ended
		late.Stop()
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for begun := time.Now(); !answers(address); {
		select {
		case <-ended:
			if strings.Contains(strings.ToLower(said.String()), "address already in use") {
				return true, nil
			}
			return false, fmt.Errorf("starting %s: it ended: %w: %s", k.Name, waited, said.Last())
		case <-ctx.Done():
			stop()
			return false, nil
		case <-time.After(lookEvery):
		}
		if time.Since(begun) > startTime {
			stop()
			return false, fmt.Errorf("starting %s: it did not listen within %v: %s", k.Name, startTime, said.Last())
		}
	}
	scheme := "http"
	if front.Certificate != "" {
		scheme = "https"
	}
	fmt.Fprintf(announce, "listening on %s://%s\n", scheme, address)
	select {
	case <-ended:
		return false, fmt.Errorf("%s ended: %s", k.Name, said.Last())
	case <-ctx.Done():
		stop()
		return false, nil
	}
}

// freePort returns a port of loopback that no program uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("finding a free port: it has no number")
	}
	return at.Port, nil
}

func answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
