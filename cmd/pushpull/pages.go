package main

import (
	"pushpull/report/web"
	"pushpull/transports"
	"pushpull/transports/all"
)

// pages are those of a server with every transport: the lanes, and the results below dir.
func pages(limits transports.Limits, dir string) (*web.Pages, error) {
	p := &web.Pages{Results: &web.Results{Dir: dir}}
	for _, name := range all.Names() {
		t, err := all.New(name, limits)
		if err != nil {
			return nil, err
		}
		lane := web.Lane{Name: name}
		switch t := t.(type) {
		case transports.Periodic:
			lane.Way, lane.Every = web.Timer, t.Period()
		case transports.Holding:
			lane.Way = web.Held
		case transports.Duplex:
			lane.Way = web.Socket
		default:
			continue // the page doesn't know how a browser would use it
		}
		p.Lanes = append(p.Lanes, lane)
	}
	return p, nil
}
