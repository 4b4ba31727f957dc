package loadgen

// Capacity returns how many users of a transport, like "short-poll@5s", can be connected from
// this process, by which limit, and how many of those things there may be. The limit is empty
// when none is known.
func Capacity(transport string) (users int, limit string, most int) {
	each := Connections(Scenario{Users: 1, Transports: []string{transport}})
	if files := fileLimit(); files > 0 {
		limit, most = "open files", files
	}
	if ports := portLimit(); ports > 0 && (limit == "" || ports < most) {
		limit, most = "local ports", ports
	}
	return max(0, most-reserved) / each, limit, most
}
