package transports

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Hosts are the hosts by which a server on loopback may be asked. A page of any site can let the site's
// name lead to loopback (DNS rebinding), and then the browser takes the server for the site: the page
// reads and sends as if it were the server's own. Only the Host of its requests shows the difference.
//
// Loopback's own names and addresses, on any port, are always among them. The zero value has no others.
type Hosts struct {
	// Others are further hosts, or origins whose hosts are meant: "chat.example", "2001:db8::1",
	// "https://chat.example". Case, port and a dot at the end make no difference.
	Others []string

	// Advice says in an error what to do about a host that is refused.
	Advice string
}

// Handler returns a handler that passes the requests for these hosts on to h. It answers the others with
// 421 Misdirected Request (RFC 9110 section 15.5.20) if they came in over loopback: from elsewhere, any
// name may lead to the server. A request without a Host, which no browser sends, is passed on.
func (hosts Hosts) Handler(h http.Handler) http.Handler {
	others := map[string]bool{}
	for _, other := range hosts.Others {
		if u, err := url.Parse(other); err == nil && u.Host != "" {
			other = u.Host
		}
		if ip, err := netip.ParseAddr(other); err == nil {
			others[ip.String()] = true // IPv6 without brackets, which a Host header can't be
		} else if name, ok := hostname(other); ok {
			others[name] = true
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "" || isLoopbackHost(r.Host) {
			h.ServeHTTP(w, r)
			return
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if name, ok := hostname(r.Host); ok && others[name] || !isLoopback(local) {
			h.ServeHTTP(w, r)
			return
		}
		Error(w, http.StatusMisdirectedRequest, "%.100q is not a host of this server on loopback: %s", r.Host, hosts.Advice)
	})
}

// isLoopback reports whether an address of this machine can only be reached from it.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// isLoopbackHost reports whether a Host header names loopback: as localhost or a name below it (RFC 6761
// section 6.3), or by an address in 127.0.0.0/8 or ::1.
func isLoopbackHost(host string) bool {
	name, ip, ok := splitHost(host)
	if !ok || ip.IsValid() {
		return ip.Unmap().IsLoopback()
	}
	const local = "localhost"
	above := len(name) - len(local)
	return above >= 0 && strings.EqualFold(name[above:], local) && (above == 0 || name[above-1] == '.')
}

// hostname returns the name or address in a Host header as it is compared: in lower case, and without
// its port. ok is false if the header is malformed.
func hostname(host string) (name string, ok bool) {
	name, ip, ok := splitHost(host)
	if ip.IsValid() {
		return ip.String(), ok
	}
	return strings.ToLower(name), ok
}

// splitHost returns the name in a Host header (RFC 9110 section 7.2) without its port and a dot at the
// end, and the address if it is one. ok is false if the header is malformed, and then ip is invalid. Every
// request is parsed, so it allocates nothing.
func splitHost(host string) (name string, ip netip.Addr, ok bool) {
	port, bracketed := "", strings.HasPrefix(host, "[")
	if bracketed {
		name, port, ok = strings.Cut(host[1:], "]")
		if !ok || port != "" && port[0] != ':' {
			return "", netip.Addr{}, false
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		name, port, _ = strings.Cut(host, ":")
		name = strings.TrimSuffix(name, ".")
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return "", netip.Addr{}, false
		}
	}
	if bracketed || name != "" && '0' <= name[0] && name[0] <= '9' { // parsing a name would allocate an error
		ip, _ = netip.ParseAddr(name)
	}
	if bracketed && (!ip.Is6() || ip.Zone() != "") || name == "" {
		return "", netip.Addr{}, false
	}
	return name, ip, true
}
