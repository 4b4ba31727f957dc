package web

import "net/http"

// A Lane is a transport as a browser uses it.
type Lane struct {
	Name string // in routes
}

func (p *Pages) lanesPage() http.Handler { return http.NotFoundHandler() }

func sizeHead(w http.ResponseWriter, r *http.Request) {}
