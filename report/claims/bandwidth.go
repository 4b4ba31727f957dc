package claims

const (
	updates      = "updates"
	updatesHTTP2 = "updates-http2"
)

// bandwidth is a comparison of bytes over HTTP/1.1 and HTTP/2.
func bandwidth() Claim {
	return Claim{
		Name:  "bandwidth",
		Title: "Over HTTP/2, server-sent events are almost as cheap as WebSocket",
		Says: "In the past, server-sent events have had a higher bandwidth cost due to HTTP/1.1's handling of headers. " +
			"Unidirectional push with HTTP/2 is now almost as cheap as a WebSocket transfer, in terms of bandwidth. " +
			"Long and short polling have a much higher bandwidth cost.",
		Source: Source{"Alexis Abril", "A comparison between WebSockets, server-sent events, and polling", "2017", "https://aquil.io/articles/a-comparison-between-websockets-server-sent-events-and-polling"},
		Setup: "Its graphs were not at hand, its set-up and conclusions were. 50 subscribers get an update of 100 bytes a second, on average, over TLS; short polling is every 250 ms. " +
			"Bytes are those of the connections, with the records of TLS, and leave out what a connection costs once.",
		Cases: []string{updates, updatesHTTP2},
		Why: "A stream sends its headers once, whatever the version of HTTP. So compressed headers save nothing for each update, and HTTP/2's frames cost about what chunks do in HTTP/1.1. " +
			"What HTTP/2 saves, it saves for polls: their headers are sent again and again, and become references to earlier ones. " +
			"The browser of the article sent longer headers than these clients do, so polls were even dearer there.",
		judge: judgeBandwidth,
	}
}

func judgeBandwidth(m *Measured, f *Finding) error {
	first, err := m.counts(updates, "short-poll@250ms", "long-poll", "sse", "websocket")
	if err != nil {
		return err
	}
	second, err := m.counts(updatesHTTP2, "short-poll@250ms", "long-poll", "sse")
	if err != nil {
		return err
	}
	socket := first[3].BytesPerDelivery
	over := func(bytes float64) string { return against(octets(bytes), octets(socket)) }
	const much = 2 // times as many
	events, events2 := first[2].BytesPerDelivery, second[2].BytesPerDelivery
	f.compare(ByMeasuring, "server-sent events are dearer over HTTP/1.1 than over HTTP/2", "yes", against(octets(events), octets(events2)), events > events2*near)
	f.compare(ByMeasuring, "over HTTP/2 they are almost as cheap as WebSocket", "within 25%", over(events2), events2 <= socket*near)
	for i, words := range []string{"short polling", "long polling"} {
		bytes, bytes2 := first[i].BytesPerDelivery, second[i].BytesPerDelivery
		f.compare(ByMeasuring, words+" is much dearer than WebSocket, over HTTP/1.1", "2 times and more", over(bytes), bytes >= much*socket)
		f.compare(ByMeasuring, words+" is much dearer than WebSocket, over HTTP/2", "2 times and more", over(bytes2), bytes2 >= much*socket)
	}
	each := func(bytes, connections int64) string { return octets(float64(bytes) / float64(max(1, connections))) }
	f.note(ByMeasuring, "server-sent events: the first request, once for each connection", each(first[2].HandshakeBytes, first[2].Connections)+" over HTTP/1.1")
	f.note(ByMeasuring, "WebSocket: the handshake, once for each connection", each(first[3].HandshakeBytes, first[3].Connections)+" over HTTP/1.1")
	f.Brief = octets(events2) + " an update, " + octets(events) + " over HTTP/1.1; WebSocket " + octets(socket)
	return nil
}
