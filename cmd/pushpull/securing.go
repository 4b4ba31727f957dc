package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"pushpull/transports/certificate"
)

// A securing is how a server speaks TLS.
type securing struct {
	tls       bool
	cert, key string // files; "": a certificate is made
}

func (s *securing) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&s.tls, "tls", false, "speak TLS 1.2 and 1.3, and nothing else")
	f.StringVar(&s.cert, "cert", "", "`FILE` certificate for --tls, with those that lead to its authority; without it one is made")
	f.StringVar(&s.key, "key", "", "`FILE` private key of --cert")
}

func (s *securing) validate() error {
	switch {
	case !s.tls && s.cert+s.key != "":
		return errors.New("--cert and --key are for --tls: add it")
	case (s.cert == "") != (s.key == ""):
		return errors.New("--cert and --key belong together: name both files, or neither for a certificate that is made")
	}
	return nil
}

// open returns what makes the server speak TLS on a host, nil without --tls, and the file of a certificate that was made for
// it, which remove removes.
func (s *securing) open(host string) (config *tls.Config, file string, remove func(), err error) {
	switch {
	case !s.tls:
		return nil, "", func() {}, nil
	case s.cert != "":
		pair, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			return nil, "", nil, usageError(fmt.Errorf("bad --cert or --key: %w: name a certificate and its private key in PEM form", err))
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, "", func() {}, nil
	}
	made, err := certificate.Make(host)
	if err != nil {
		return nil, "", nil, err
	}
	dir, err := os.MkdirTemp("", "pushpull-")
	if err != nil {
		return nil, "", nil, fmt.Errorf("keeping the certificate: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) } // what is left is no secret
	file = filepath.Join(dir, "certificate.pem")
	if err := os.WriteFile(file, made.PEM, 0o644); err != nil { //nolint:gosec // anybody may trust it
		remove()
		return nil, "", nil, fmt.Errorf("keeping the certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{made.TLS}, MinVersion: tls.VersionTLS12}, file, remove, nil
}
