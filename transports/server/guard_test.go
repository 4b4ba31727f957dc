package server

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// Only those who know the token are served, however they send it, and no answer shows it.
func TestToken(t *testing.T) {
	const token = "s3cret+/=-._~"
	onBoth(t, func(t *testing.T, begin func(*testing.T, *Server) *served) {
		shown := "" // the query as pages see it
		sd := begin(t, &Server{Token: token, Pages: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			shown = r.RequestURI + r.Header.Get("Authorization")
		})})
		sd.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, tc := range []struct {
			method, path, header string
			status               int
		}{
			{"GET", "/rooms/r/short-poll", "", 401},
			{"POST", "/rooms/r/messages", "", 401},
			{"GET", "/stats", "", 401},
			{"GET", "/metrics", "", 401},
			{"GET", "/", "", 401},
			{"GET", "/results", "", 401},
			{"GET", "/nowhere", "", 401},
			{"GET", "/healthz", "", 200},
			{"GET", "/healthz?token=wrong", "", 200},

			{"GET", "/rooms/r/short-poll", "Authorization: Bearer " + token, 204},
			{"GET", "/rooms/r/short-poll", "Authorization: bearer " + token, 204},
			{"GET", "/rooms/r/short-poll", "Authorization: Bearer wrong", 401},
			{"GET", "/rooms/r/short-poll", "Authorization: Basic " + token, 401},
			{"GET", "/rooms/r/short-poll", "Authorization: " + token, 401},
			{"GET", "/rooms/r/short-poll?token=" + token, "", 204},
			{"GET", "/rooms/r/short-poll?after=0&token=s3cret%2B%2F%3D-._~&user=Mary", "", 204},
			{"GET", "/rooms/r/short-poll?token=" + token[1:], "", 401},
			{"GET", "/rooms/r/short-poll?token=", "", 401},
			{"GET", "/rooms/r/short-poll?mytoken=" + token, "", 401},
			{"POST", "/rooms/r/messages?token=" + token, "", 201},
			{"GET", "/stats?token=" + token, "", 200},
			{"GET", "/?token=" + token, "", 200},
			{"GET", "/rooms/r/short-poll?user=" + strings.Repeat("x", 200) + "&token=" + token, "", 400},

			{"GET", "/results?a=b&token=" + token, "Accept: text/html,*/*;q=0.8", 303},
			{"GET", "/results?token=wrong", "Accept: text/html,*/*;q=0.8", 401},
		} {
			resp, body := sd.do(tc.method, tc.path, "text", tc.header)
			if resp.StatusCode != tc.status {
				t.Errorf("%s %s with %q: %s, want %d", tc.method, tc.path, tc.header, resp.Status, tc.status)
			}
			if asks := resp.Header.Get("WWW-Authenticate"); (tc.status == 401) != (asks == `Bearer realm="pushpull"`) {
				t.Errorf("%s %s: WWW-Authenticate is %q", tc.method, tc.path, asks)
			}
			if tc.status == 401 && !strings.Contains(body, "Authorization: Bearer TOKEN") {
				t.Errorf("%s %s: %q", tc.method, tc.path, body)
			}
			if all := body + resp.Header.Get("Location") + shown; strings.Contains(all, token) || strings.Contains(all, "s3cret") {
				t.Errorf("%s %s shows the token: %q", tc.method, tc.path, all)
			}
		}

		// A page opened with the token gets a cookie, with which its requests pass, and the address without it.
		resp, _ := sd.do("GET", "/results?a=b&token="+token, "", "Accept: text/html")
		cookies := resp.Cookies()
		if len(cookies) != 1 || resp.Header.Get("Location") != "/results?a=b" {
			t.Fatalf("a page is answered %s, %v", resp.Status, resp.Header)
		}
		if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure || c.Path != "/" || strings.Contains(c.Value, token) {
			t.Errorf("the cookie is %v", c)
		}
		for cookie, status := range map[string]int{cookies[0].Value: 204, cookies[0].Value[1:]: 401, token: 401} {
			if resp, _ := sd.do("GET", "/rooms/r/short-poll?after=0", "", "Cookie: "+tokenCookie+"="+cookie); resp.StatusCode/100 != status/100 {
				t.Errorf("with the cookie %q: %s, want %d", cookie, resp.Status, status)
			}
		}
		if err := sd.stop(); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sd := inBubble(t, &Server{})
		if resp, _ := sd.do("GET", "/stats", "", ""); resp.StatusCode != http.StatusOK {
			t.Errorf("without a token the server answers %s", resp.Status)
		}
		if err := sd.stop(); err != nil {
			t.Error(err)
		}
	})
	for token, valid := range map[string]bool{"abc-._~+/=09": true, "": true, "a b": false, "a&b": false, "ä": false, "a\n": false} {
		if err := (&Server{Token: token}).Validate(); (err == nil) != valid {
			t.Errorf("token %q: %v", token, err)
		} else if err != nil && token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the error shows the token %q", token)
		}
	}
}
