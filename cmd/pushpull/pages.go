package main

import (
	"pushpull/loadgen"
	"pushpull/report/web"
	"pushpull/transports/all"
)

// pages returns the pages of a server with all transports: the lanes, and the results below dir.
func pages(dir string) (*web.Pages, error) {
	p := &web.Pages{Results: &web.Results{Dir: dir}}
	for _, name := range all.Names() {
		client, err := all.Client(name)
		if err != nil {
			return nil, err
		}
		p.Lanes = append(p.Lanes, web.Lane{Name: name, Way: loadgen.WayOf(client.Way())})
	}
	return p, nil
}
