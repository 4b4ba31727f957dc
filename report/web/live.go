package web

import "net/http"

// A Live is the run under way.
type Live struct{}

func (p *Pages) livePage() http.Handler { return http.NotFoundHandler() }

// ServeHTTP sends the states as they come.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
