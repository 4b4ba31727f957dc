package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// mostContext is the most bytes of a context: it may hold a JWT.
const mostContext = 1 << 20

// PlaceOf returns the place that a context of NATS's own command line names (nats context add). Contexts are files
// nats/context/NAME.json in the user's directory of configurations: $XDG_CONFIG_HOME, or .config in the home directory.
// What a context says of streams and colours doesn't matter here. Other fields that this package can't follow are errors,
// as are references to other places than files, like op:// and env://. No error holds a secret. That of an unknown
// context lists those that are known.
func PlaceOf(context string) (Place, error) {
	root := os.Getenv("XDG_CONFIG_HOME")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return Place{}, fmt.Errorf("finding the contexts of NATS: %w", err)
		}
		root = filepath.Join(home, ".config")
	}
	dir := filepath.Join(root, "nats", "context")
	name := filepath.Join(dir, context+".json")
	if context == "" || strings.Contains(context, "..") || strings.ContainsAny(context, `/\`) {
		return Place{}, unknownContext(dir)
	}
	file, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Place{}, unknownContext(dir)
	case err != nil:
		return Place{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostContext+1))
	if err != nil {
		return Place{}, err
	}
	p, err := readContext(data)
	if err != nil {
		return Place{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// unknownContext returns the error that lists the contexts in a directory.
func unknownContext(dir string) error {
	files, _ := os.ReadDir(dir) // without it there are none
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && !f.IsDir() {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("NATS has no contexts in %s: make one with nats context add, or use --nats", dir)
	}
	return fmt.Errorf("NATS has no such context in %s: use %s", dir, strings.Join(names, ", "))
}

// readContext reads the JSON of a context.
func readContext(data []byte) (p Place, err error) {
	if len(data) > mostContext {
		return Place{}, fmt.Errorf("it has more than %d bytes", mostContext)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return Place{}, fmt.Errorf("it is no context of NATS: %w", err)
	}
	texts := map[string]*string{
		"url": &p.URL, "user": &p.User, "password": &p.Password, "token": &p.Token, "user_jwt": &p.JWT, "user_seed": &p.Seed, "inbox_prefix": &p.InboxPrefix,
		"creds": &p.Creds, "nkey": &p.NKey, "cert": &p.Cert, "key": &p.Key, "ca": &p.CA,
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // the same error each time
		value := bytes.TrimSpace(fields[name])
		to := texts[name]
		switch {
		case empty(value):
		case to != nil:
			if json.Unmarshal(value, to) != nil {
				return Place{}, fmt.Errorf("%s must be a text", name)
			}
		case name == "tls_first":
			if json.Unmarshal(value, &p.TLSFirst) != nil {
				return Place{}, errors.New("tls_first must be true or false")
			}
		case slices.Contains(aside, name):
		default:
			return Place{}, fmt.Errorf("%s can't be used here: leave it out, or use --nats and its other flags", name)
		}
	}
	if err := p.settle(); err != nil {
		return Place{}, err
	}
	return p, nil
}

// aside are the fields of a context that don't say how to connect.
var aside = []string{"name", "description", "color_scheme", "jetstream_domain", "jetstream_api_prefix", "jetstream_event_prefix"}

// empty reports whether a field is written, but has no value.
func empty(value []byte) bool {
	return slices.Contains([]string{`""`, "null", "false", "[]", "{}", "0"}, string(value))
}

// settle makes the fields of a context those of a place, or returns what is wrong with them.
func (p *Place) settle() error {
	for name, text := range map[string]string{"password": p.Password, "token": p.Token, "user_jwt": p.JWT, "user_seed": p.Seed} {
		for _, scheme := range []string{"env:", "file:", "data:", "nsc:", "op:"} {
			if strings.HasPrefix(text, scheme) {
				return fmt.Errorf("%s refers to %s, which can't be followed here: write the value itself", name, scheme)
			}
		}
	}
	for _, f := range []struct {
		name string
		to   *string
	}{{"creds", &p.Creds}, {"nkey", &p.NKey}, {"cert", &p.Cert}, {"key", &p.Key}, {"ca", &p.CA}} {
		if *f.to == "" {
			continue
		}
		path := os.ExpandEnv(strings.TrimPrefix(*f.to, "file://"))
		if rest, ok := strings.CutPrefix(path, "~"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				return err
			}
			path = home + rest
		}
		if strings.Contains(path, "://") || strings.HasPrefix(path, "data:") {
			return fmt.Errorf("%s must name a file", f.name)
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("bad %s: %w", f.name, errors.Unwrap(err)) // the path may be a secret in a wrong field
		}
		*f.to = path
	}
	means := 0
	for _, text := range []string{p.User, p.Creds, p.NKey, p.JWT} {
		if text != "" {
			means++
		}
	}
	switch {
	case means > 1:
		return errors.New("it has several of user, creds, nkey and user_jwt: leave all but one out")
	case (p.Cert == "") != (p.Key == ""):
		return errors.New("cert and key belong together: name both files, or neither")
	case strings.ContainsAny(p.InboxPrefix, " \t\r\n*>") || strings.HasSuffix(p.InboxPrefix, "."):
		return errors.New("inbox_prefix must be a subject without wildcards")
	}
	if p.URL == "" {
		p.URL = nats.DefaultURL
	}
	var all []string
	for one := range strings.SplitSeq(p.URL, ",") {
		if one = strings.TrimSpace(one); !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		all = append(all, one)
	}
	p.URL = strings.Join(all, ",")
	return nil
}

// options returns how to be let in.
func (p Place) options() ([]nats.Option, error) {
	var all []nats.Option
	if p.User != "" {
		all = append(all, nats.UserInfo(p.User, p.Password))
	}
	if p.Token != "" {
		all = append(all, nats.Token(p.Token))
	}
	if p.Creds != "" {
		all = append(all, nats.UserCredentials(p.Creds))
	}
	if p.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(p.NKey)
		if err != nil {
			return nil, fmt.Errorf("reading the nkey in %s: %w", p.NKey, err)
		}
		all = append(all, key)
	}
	switch {
	case p.JWT != "" && p.Seed != "":
		all = append(all, nats.UserJWTAndSeed(p.JWT, p.Seed))
	case p.JWT != "": // whoever bears it is let in
		all = append(all, nats.UserJWT(func() (string, error) { return p.JWT, nil }, func([]byte) ([]byte, error) { return nil, nil }))
	}
	if p.CA != "" {
		all = append(all, nats.RootCAs(p.CA))
	}
	if p.Cert != "" {
		all = append(all, nats.ClientCert(p.Cert, p.Key))
	}
	if p.TLSFirst {
		all = append(all, nats.TLSHandshakeFirst())
	}
	if p.InboxPrefix != "" {
		all = append(all, nats.CustomInboxPrefix(p.InboxPrefix))
	}
	return all, nil
}
