package wire

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// example is the form of address that errors suggest.
const example = "http://127.0.0.1:8080"

var errForm = errors.New("write it like " + example)

// ParseAddress parses the address of a server, an http or https URL as a person writes it: with any
// host of RFC 3986, section 3.2.2, or RFC 6874 (a zone), with credentials for Basic authentication
// (RFC 7617) and with a query, which every request to the server then carries. An international name
// is turned into its ASCII form, an empty port is dropped, and what a query must not hold is escaped.
//
// A fragment is refused, as it is never sent. The errors say what to do, and hold no part of the
// address, which may be a secret.
func ParseAddress(text string) (*url.URL, error) {
	plain, err := decodeHost(text)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(plain)
	if err != nil {
		return nil, fmt.Errorf("%w, with the special characters of a password or a name as %%40 for @", errForm)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errForm
	}
	if strings.Contains(text, "#") {
		return nil, errors.New("what follows the # is never sent to a server: leave it out, or write %23 for a # in a password")
	}
	host, err := hostOf(u)
	if err != nil {
		return nil, err
	}
	if name, password := credentials(u); strings.Contains(name, ":") || strings.ContainsFunc(name+password, control) {
		return nil, errors.New("HTTP can't carry these credentials: a user name may hold no colon, and neither may hold control characters (RFC 7617)")
	}
	address := &url.URL{Scheme: u.Scheme, User: u.User, Host: host, Path: u.Path, RawPath: u.RawPath, RawQuery: escapeQuery(u.RawQuery)}
	if address.Path == "" {
		address.Path = "/"
	}
	return address, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// credentials returns the user name and the password of an address, decoded.
func credentials(u *url.URL) (name, password string) {
	password, _ = u.User.Password()
	return u.User.Username(), password
}

var encoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// decodeHost decodes the letters, digits and marks in the host of an address that needlessly are
// percent-encoded. RFC 3986, section 2.3, calls the two forms equivalent, but url.Parse refuses one.
func decodeHost(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text, nil
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	begin := strings.LastIndexByte(rest[:end], '@') + 1
	host := rest[begin:end]
	if strings.HasPrefix(host, "[") {
		return text, nil // RFC 6874: the %25 before a zone stays
	}
	bad := false
	host = encoded.ReplaceAllStringFunc(host, func(code string) string {
		n, err := strconv.ParseUint(code[1:], 16, 8)
		c := byte(n)
		switch {
		case err != nil || c >= 0x80:
			return code // a part of an international name
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			return string(c)
		}
		bad = true
		return code
	})
	if bad {
		return "", errors.New("its host holds a character that no name of a server has: " + errForm.Error())
	}
	return scheme + "://" + rest[:begin] + host + rest[end:], nil
}

// hostOf returns the host of u with its port, if there is one, a name in its ASCII form.
func hostOf(u *url.URL) (string, error) {
	host, port := u.Hostname(), u.Port()
	switch {
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	case strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 }):
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil || !utf8.ValidString(host) {
			return "", errors.New("its host is no valid international name: write the ASCII form, which begins with xn--")
		}
		host = ascii
	}
	if port == "" {
		return host, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("its port must be 1 to 65535")
	}
	return host + ":" + strconv.FormatUint(n, 10), nil
}

// escapeQuery escapes what a query may not hold, as browsers do. Anything else stays as it is.
func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		c := query[i]
		switch {
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0,
			c == '%' && !encoded.MatchString(query[i:min(i+3, len(query))]):
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
