// Package web is what people look at in a browser: what each transport feels like, what runs have
// found, and how far a run is.
//
// It serves pages and what they are made of, and asks no network but the server that they come
// from. It carries no message: the pages do that themselves, over the public routes of the server
// beside which they are served. Names and messages are text wherever they are shown, and no page
// runs a script but those of this package, as its Content-Security-Policy says.
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

// Pages are the pages that a server has to show. The zero value of a field leaves its page out.
type Pages struct {
	Lanes   []Lane   // the transports between which / shows the difference
	Results *Results // below /results
	Live    *Live    // the run under way, at /live
}

// Handler serves /, /page/, /results and /live. / is the first page that there is. It is safe for
// concurrent use; the fields must not change any more.
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
		mux.HandleFunc("/page/head", sizeHead)
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

// policy lets a page load what this server serves and run no script but such a file. Trusted types
// let no script make markup of a text either.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// secure sets the headers that every answer has. Isolation from pages of other origins is also what
// makes a browser's clock tell microseconds.
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

// A static is a file of the pages. Browsers ask each time whether they have the right one.
type static struct {
	name, kind, tag string
	data            []byte
}

func staticFiles() (all []static) {
	entries, _ := fs.ReadDir(files, "static") // it is embedded
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

// kindOf does not ask the machine, which may know better.
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

// A frame is what every page has around it.
type frame struct {
	Title  string        // of the page
	Style  string        // its style sheet, beside that of all
	Script string        // its module; empty: none
	At     string        // the path of the page, as in Links
	Links  []report.Link // to the pages that there are
	Body   any           // what the page itself shows
}

// links lead to the pages that there are.
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

// page parses the template pages/name.html.tmpl, which defines "body", within the frame of all.
func page(name string) *template.Template {
	return template.Must(template.ParseFS(files, "pages/frame.html.tmpl", "pages/"+name+".html.tmpl"))
}

// show answers with a page, or with the error of its template.
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
