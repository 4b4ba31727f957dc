package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"pushpull/loadgen"
	"pushpull/transports"
)

// profilesOptions is where a command serves the profiles of its own process.
type profilesOptions struct{ address string }

func (o *profilesOptions) addFlag(f *pflag.FlagSet) {
	f.StringVar(&o.address, "pprof", "", "`ADDRESS` serve profiles of this process there, to look at with go tool pprof; a port alone is on loopback")
}

// serve serves the profiles if the flag is given, and returns a line that says where. The caller must call stop.
func (o *profilesOptions) serve(f *pflag.FlagSet) (line string, stop func(), err error) {
	if !f.Changed("pprof") {
		return "", func() {}, nil
	}
	address, err := profilesAddress(o.address)
	if err != nil {
		return "", nil, usageError(err)
	}
	at, stop, err := serveProfiles(address)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("profiles on %s\n", at), stop, nil
}

// profilesAddress is listenAddress for --pprof, which may be a port alone.
func profilesAddress(address string) (string, error) {
	if address != "" && strings.Trim(address, "0123456789") == "" {
		address = ":" + address
	}
	full, err := listenAddress("pprof", address)
	if err != nil {
		return "", fmt.Errorf("bad --pprof %q: write it like 6060 or 127.0.0.1:6060", address)
	}
	return full, nil
}

// serveProfiles serves the profiles of this process on a listener of its own, and returns where. It answers the
// hosts of loopback and that of the address alone, as the page of any site can let its name lead to loopback.
// The caller must call stop, which waits for the server, but not for profiles that are being made.
func serveProfiles(address string) (at string, stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, fmt.Errorf("%w: use --pprof with another address or port", err)
	}
	const path = "/debug/pprof/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, pprof.Index)
	mux.HandleFunc("GET "+path+"cmdline", http.NotFound) // it may hold the password of a store
	mux.HandleFunc("GET "+path+"profile", pprof.Profile)
	mux.HandleFunc("GET "+path+"trace", pprof.Trace)
	mux.HandleFunc("GET "+path+"symbol", pprof.Symbol)
	mux.HandleFunc("POST "+path+"symbol", pprof.Symbol)
	host, _, _ := net.SplitHostPort(address) // listenAddress has made it
	hosts := transports.Hosts{Others: []string{host}, Advice: "use the address in --pprof"}
	server := &http.Server{Handler: hosts.Handler(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // until stop closes it
	}()
	return "http://" + l.Addr().String() + path, func() {
		_ = server.Close() // what is cut off is a profile of a server that ends
		<-served
	}, nil
}

// keepProfile writes a profile of a window into the directory profiles of the result, and returns its path from
// the result's directory. It never replaces a file: names of transports may differ only in characters that
// names of files have not.
func (r *recorder) keepProfile(p loadgen.Profile) (string, error) {
	const dir = "profiles"
	if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
		return "", err
	}
	name := p.File()
	for n := 2; ; n++ {
		path := filepath.Join(r.dir, dir, name)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			name = fmt.Sprintf("%s-%d.pprof", strings.TrimSuffix(p.File(), ".pprof"), n)
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = file.Write(p.Data)
		if err = errors.Join(err, file.Close()); err != nil {
			return "", errors.Join(err, os.Remove(path)) // a part of a profile can't be read
		}
		return dir + "/" + name, nil
	}
}
