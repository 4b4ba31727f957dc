// Package web serves the pages for a browser: what each transport feels like, what runs have found,
// and how far a run is.
//
// The pages load nothing from any other server. The package delivers no messages: the pages do that
// themselves, over the public routes of the server that serves them. Names and messages are always
// shown as text, and the Content-Security-Policy of the pages allows no scripts but those of this
// package.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"

	"pushpull/report"
)

//go:embed static pages
var files embed.FS

// Pages are the pages of a server. The zero value of a field leaves its page out.
type Pages struct {
	Lanes   []Lane   // the transports that / shows next to each other
	Results *Results // the runs, below /results
	Live    *Live    // the run in progress, at /live
}

// Handler returns a handler of /, /page/, /results and /live; / leads to the first page of these that
// exists. The handler is safe for concurrent use. The fields must not change after the call.
func (p *Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, file := range staticFiles() {
		mux.Handle("GET /page/"+file.name, file)
	}
	var home http.Handler
	add := func(pattern string, h http.Handler) {
		mux.Handle("GET "+pattern, h)
		if home == nil {
			home = http.RedirectHandler(pattern, http.StatusSeeOther)
		}
	}
	if len(p.Lanes) > 0 {
		home = p.lanesPage()
		mux.HandleFunc("/page/head", measureHead)
	}
	if p.Live != nil {
		add("/live", p.livePage())
		mux.Handle("GET /live/states", p.Live)
	}
	if p.Results != nil {
		runs := p.runPages()
		add("/results", http.HandlerFunc(runs.list))
		mux.HandleFunc("GET /results/{path...}", runs.one)
	}
	if home != nil {
		mux.Handle("GET /{$}", home)
	}
	return secure(mux)
}

// policy lets a page load files of this server only, scripts included. Trusted types keep scripts
// from turning text into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// secure sets the headers of every answer. Isolation from pages of other origins also gives the
// browser's clock its microseconds.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Embedder-Policy", "require-corp")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// A static is an embedded file. Browsers revalidate it each time, by its tag.
type static struct {
	name, kind, tag string
	data            []byte
}

func staticFiles() (all []static) {
	entries, _ := fs.ReadDir(files, "static") // an embedded directory is always there
	for _, entry := range entries {
		data, _ := files.ReadFile("static/" + entry.Name())
		sum := sha256.Sum256(data)
		all = append(all, static{
			name: entry.Name(), kind: kindOf(entry.Name()), data: data,
			tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		})
	}
	return all
}

// kindOf returns the media type of a file. The types of scripts and styles are fixed: a machine may
// be configured with wrong ones, which browsers refuse.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (s static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", s.kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", s.tag)
	http.ServeContent(w, r, s.name, time.Time{}, bytes.NewReader(s.data))
}

// A frame is the data of the template that surrounds every page.
type frame struct {
	Title  string        // of the page
	Style  string        // style sheet of the page, in addition to the common one; empty if none
	Script string        // module of the page; empty if none
	At     string        // path of the page, as in Links
	Links  []report.Link // to all pages of the server
	Body   any           // data of the page itself
}

// links returns links to all pages of the server.
func (p *Pages) links() (all []report.Link) {
	if len(p.Lanes) > 0 {
		all = append(all, report.Link{Text: "See the difference", URL: "/"})
	}
	if p.Live != nil {
		all = append(all, report.Link{Text: "This run", URL: "/live"})
	}
	if p.Results != nil {
		all = append(all, report.Link{Text: "Results", URL: "/results"})
	}
	return all
}

// page parses the template pages/name.html.tmpl, which defines "body", within the frame.
func page(name string) *template.Template {
	return template.Must(template.ParseFS(files, "pages/frame.html.tmpl", "pages/"+name+".html.tmpl"))
}

// show sends a page, or the error of its template with status 500.
func show(w http.ResponseWriter, status int, t *template.Template, f frame) {
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "frame.html.tmpl", f); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}
