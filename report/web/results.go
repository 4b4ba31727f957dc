package web

import "net/http"

// Results are the runs in a directory.
type Results struct{}

func (p *Pages) resultsPage() http.Handler { return http.NotFoundHandler() }

func (p *Pages) reports() http.Handler { return http.NotFoundHandler() }
