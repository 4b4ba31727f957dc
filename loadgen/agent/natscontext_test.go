package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// TestContext reads contexts.
func TestContext(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("LAB", home)
	file := filepath.Join(home, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Place{
		`{}`: {URL: nats.DefaultURL},
		`{"description":"x","url":"","user":"","nsc":"","tls_first":false,"windows_ca_certs_match":null,"socks_proxy":""}`: {URL: nats.DefaultURL},
		`{"url":"a:1, tls://b","user":"u","password":"p","jetstream_domain":"x"}`:                                          {URL: "nats://a:1,tls://b", User: "u", Password: "p"},
		`{"url":"a","token":"t","inbox_prefix":"_X.y","tls_first":true}`:                                                   {URL: "nats://a", Token: "t", InboxPrefix: "_X.y", TLSFirst: true},
		`{"url":"a","user_jwt":"j","user_seed":"s"}`:                                                                       {URL: "nats://a", JWT: "j", Seed: "s"},
		`{"url":"a","creds":"~/f","ca":"$LAB/f"}`:                                                                          {URL: "nats://a", Creds: home + "/f", CA: home + "/f"},
		`{"url":"a","nkey":"file://$LAB/f","cert":"$LAB/f","key":"~/f"}`:                                                   {URL: "nats://a", NKey: home + "/f", Cert: home + "/f", Key: home + "/f"},
	} {
		if p, err := readContext([]byte(text)); err != nil || p != want {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		``:                                      "it is no context of NATS: unexpected end of JSON input",
		`[]`:                                    "it is no context of NATS: json: cannot unmarshal array",
		`{"url":1}`:                             "url must be a text",
		`{"tls_first":"yes"}`:                   "tls_first must be true or false",
		`{"nsc":"nsc://o/a/u"}`:                 "nsc can't be used here: leave it out, or use --nats and its other flags",
		`{"socks_proxy":"socks5://h"}`:          "socks_proxy can't be used here",
		`{"windows_cert_store":"user"}`:         "windows_cert_store can't be used here",
		`{"Token":"x"}`:                         "Token can't be used here",
		`{"password":"op://vault/item"}`:        "password refers to op:, which can't be followed here: write the value itself",
		`{"token":"env://TOKEN"}`:               "token refers to env:, which can't be followed here",
		`{"creds":"nsc://o/a/u"}`:               "creds must name a file",
		`{"nkey":"data:,SU"}`:                   "nkey must name a file",
		`{"ca":"$LAB/none"}`:                    "bad ca: ",
		`{"cert":"$LAB/f"}`:                     "cert and key belong together: name both files, or neither",
		`{"user":"u","creds":"$LAB/f"}`:         "it has several of user, creds, nkey and user_jwt: leave all but one out",
		`{"inbox_prefix":"_X.*"}`:               "inbox_prefix must be a subject without wildcards",
		strings.Repeat(" ", mostContext) + `{}`: "it has more than 1048576 bytes",
	} {
		if p, err := readContext([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.80s: %+v, %v, want %s", text, p, err, want)
		}
	}
}

// TestPlaceOf finds contexts where NATS's command line keeps them.
func TestPlaceOf(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	for _, config := range []string{"", t.TempDir()} {
		t.Setenv("XDG_CONFIG_HOME", config)
		dir := filepath.Join(home, ".config")
		if config != "" {
			dir = config
		}
		dir = filepath.Join(dir, "nats", "context")
		if _, err := PlaceOf("lab"); err == nil || err.Error() != "NATS has no contexts in "+dir+": make one with nats context add, or use --nats" {
			t.Error(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"lab.json": `{"url":"h"}`, "bad.json": `{"url":1}`, "notes.txt": ``} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := PlaceOf("lab"); err != nil || p.URL != "nats://h" {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := PlaceOf("bad"); err == nil || err.Error() != filepath.Join(dir, "bad.json")+": url must be a text" {
			t.Error(err)
		}
		for _, name := range []string{"none", "", "../context/lab", `..\lab`} {
			if _, err := PlaceOf(name); err == nil || err.Error() != "NATS has no such context in "+dir+": use bad, lab" {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

// TestLetIn connects by each means that only contexts have, to servers that let nobody else in.
func TestLetIn(t *testing.T) {
	t.Parallel()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server server.Options
		place  Place
	}{
		"token": {server.Options{Authorization: "t"}, Place{Token: "t"}},
		"user":  {server.Options{Username: "u", Password: "p"}, Place{User: "u", Password: "p", InboxPrefix: "_MINE"}},
		"nkey":  {server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}}, Place{NKey: key}},
	} {
		o := c.server
		o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
		s, err := server.NewServer(&o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(soon) {
			t.Fatal("NATS did not start")
		}
		at := "nats://" + s.Addr().String()
		if _, _, err := Connect(Place{URL: at}, "stranger"); err == nil || !strings.Contains(err.Error(), "Authorization") {
			t.Errorf("%s: %v", name, err)
		}
		c.place.URL = at
		conn, done, err := Connect(c.place, "known")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if prefix := c.place.InboxPrefix; prefix != "" && !strings.HasPrefix(conn.NewInbox(), prefix+".") {
			t.Errorf("%s: answers go to %s", name, conn.NewInbox())
		}
		done()
	}
}
