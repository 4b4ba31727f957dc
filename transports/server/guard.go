package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"pushpull/transports"
)

// A guard passes requests on that hold the token, and answers others with 401. The token is in the header Authorization
// as Bearer (RFC 6750), in the parameter token of the query, as browsers' WebSockets and EventSources can set no header,
// or stands behind the cookie that a page opened with that parameter is given. What the guard passes on holds no token, so no
// handler can show it.
type guard struct {
	token  [sha256.Size]byte // hashed, so that comparing shows neither its text nor its length
	cookie string
	secure bool
}

const (
	tokenParameter = "token"
	tokenCookie    = "pushpull-token"
)

func newGuard(token string, secure bool) *guard {
	cookie := sha256.Sum256([]byte("the cookie of " + token))
	return &guard{token: sha256.Sum256([]byte(token)), cookie: hex.EncodeToString(cookie[:]), secure: secure}
}

// checkToken returns an error if a token can't be sent as it is in a header (RFC 6750, section 2.1).
func checkToken(token string) error {
	for _, c := range []byte(token) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && strings.IndexByte("-._~+/=", c) < 0 {
			return errors.New("bad token: use letters, digits and - . _ ~ + / = alone")
		}
	}
	return nil
}

func (g *guard) is(token string) bool {
	given := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(given[:], g.token[:]) == 1
}

// Handler returns a handler that passes requests on to h. Everybody may ask whether the server is there.
func (g *guard) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inQuery := g.cutToken(r)
		switch {
		case inQuery && r.Method == http.MethodGet && transports.Lists(r.Header["Accept"], "text/html"):
			// A page, whose links and requests need the token too. Its address need not show it any longer.
			http.SetCookie(w, &http.Cookie{
				Name: tokenCookie, Value: g.cookie, Path: "/",
				HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode,
			})
			w.Header().Set("Location", r.URL.RequestURI())
			w.WriteHeader(http.StatusSeeOther)
		case inQuery, g.inHeader(r), g.inCookie(r), r.URL.Path == "/healthz":
			r.Header.Del("Authorization")
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="pushpull"`)
			transports.Error(w, http.StatusUnauthorized,
				"this server asks for its token: send the header Authorization: Bearer TOKEN, or add ?token=TOKEN to the address")
		}
	})
}

// cutToken takes the token out of the query, and returns whether it was the right one.
func (g *guard) cutToken(r *http.Request) (right bool) {
	if !strings.Contains(r.URL.RawQuery, tokenParameter+"=") {
		return false
	}
	var kept []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name != tokenParameter {
			kept = append(kept, part)
			continue
		}
		if plain, err := url.PathUnescape(value); err == nil { // a plus is a plus in a token
			value = plain
		}
		right = right || g.is(value)
	}
	r.URL.RawQuery = strings.Join(kept, "&")
	r.RequestURI = r.URL.RequestURI()
	return right
}

func (g *guard) inHeader(r *http.Request) bool {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return ok && strings.EqualFold(scheme, "Bearer") && g.is(strings.TrimSpace(token))
}

func (g *guard) inCookie(r *http.Request) bool {
	if len(r.Header["Cookie"]) == 0 {
		return false
	}
	cookie, err := r.Cookie(tokenCookie)
	return err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(g.cookie)) == 1
}
