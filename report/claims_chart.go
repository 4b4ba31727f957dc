package report

import (
	"strconv"

	"gonum.org/v1/plot/plotter"

	"pushpull/loadgen/result"
	"pushpull/report/claims"
	"pushpull/report/text"
)

// figures returns the charts of the claims that have one, by the names of the claims.
func (c Claims) figures() map[string][]figure {
	all := map[string][]figure{}
	for _, f := range c.findings {
		switch {
		case f.Name == "transits":
			if transits := claims.Transits(&c.measured); len(transits) > 1 {
				all[f.Name] = []figure{doubtful(transitsFigure(transits), f)}
			}
		case f.Name == "quantum" && len(f.Rows) > 0:
			all[f.Name] = []figure{doubtful(trafficFigure(f), f)}
		}
	}
	return all
}

// doubtful returns a chart with a warning if its claim was not judged, as it may be shown without the page.
func doubtful(fig figure, f claims.Finding) figure {
	if f.Lacking != "" {
		fig.doubt = "Not judged: " + text.Clean(f.Lacking)
	}
	return fig
}

// transitsFigure shows how long a message takes over long polling, by how often there is one.
func transitsFigure(all []claims.Transit) figure {
	ch := curveChart{
		name: "claims-transits", title: "Latency of long polling, in transits of the network",
		detail: "From when the server has the message. Lower is better. Marked are the claimed average, close to one, and the claimed longest, over three.",
		x:      scale{label: "messages per second and room", write: func(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }},
		y:      scale{label: "transits of the network", write: func(x float64) string { return text.Number(x, 2) }},
		limits: []limit{{1, "one"}, {3, "three"}},
	}
	way := result.Way{HoldS: 30}
	held := style{colour: colourOf("long-poll", way), width: 1.8}
	long := curveLine{label: "longest", style: style{colour: held.colour, width: 1, mark: 1}}
	most := curveLine{label: "99% within", style: style{colour: held.colour, width: 1.4, mark: 2}}
	mean := curveLine{label: "average", style: held}
	socket := curveLine{label: "average, WebSocket", style: style{colour: colourOf("websocket", result.Way{Stream: true, Duplex: true}), width: 1.4, mark: 3}}
	for _, t := range all {
		point := func(y float64) curvePoint { return curvePoint{x: t.Rate, y: y, low: y, high: y, doubted: t.Doubted} }
		long.points, most.points = append(long.points, point(t.Most)), append(most.points, point(t.P99))
		mean.points, socket.points = append(mean.points, point(t.Mean)), append(socket.points, point(t.Socket))
		if t.Predicted > 0 {
			mean.theory = append(mean.theory, plotter.XY{X: t.Rate, Y: t.Predicted})
		}
	}
	ch.panels = []curvePanel{{lines: []curveLine{long, most, mean, socket}}}
	return ch.figure()
}

// trafficFigure shows the traffic of polling and of WebSocket, as claimed and as found.
func trafficFigure(f claims.Finding) figure {
	ch := curveChart{
		name: "claims-traffic", title: "Overhead of a poll or a message a second for each client",
		detail: "Without the messages themselves. Of 10,000 polling clients and of 100,000 the traffic is derived.",
		x:      scale{label: "clients", write: loadNumber},
		y:      scale{label: "bits per second", write: func(bits float64) string { return text.Number(bits/1e6, 2) + " Mbit/s" }},
	}
	poll, socket := colourOf("short-poll@1s", result.Way{EveryS: 1}), colourOf("websocket", result.Way{Stream: true, Duplex: true})
	claimed := []float64{871 * 8, 2 * 8} // bits of a poll, and of a message
	lines := []curveLine{
		{label: "polling, claimed", style: style{colour: poll, width: .9, mark: 1}},
		{label: "polling, measured", style: style{colour: poll, width: 1.8}},
		{label: "WebSocket, claimed", style: style{colour: socket, width: .9, mark: 1}},
		{label: "WebSocket, measured", style: style{colour: socket, width: 1.8}},
	}
	for i, of := range []string{"polling", "WebSocket"} {
		for _, clients := range []float64{1e3, 1e4, 1e5} {
			for _, r := range f.Rows {
				if r.What == of+", "+loadNumber(clients)+" clients" {
					said, found := clients*claimed[i], r.Value
					lines[2*i].points = append(lines[2*i].points, curvePoint{x: clients, y: said, low: said, high: said})
					lines[2*i+1].points = append(lines[2*i+1].points, curvePoint{x: clients, y: found, low: found, high: found})
				}
			}
		}
	}
	ch.panels = []curvePanel{{lines: lines}}
	return ch.figure()
}
