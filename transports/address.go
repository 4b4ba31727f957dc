package transports

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Addresses name servers and stores, like http://user:password@host/chat?token=1 or
// postgres://user:password@host/database. Their user information and the values in their query may
// be secrets. Redacted says what is shown of an address, for every file, page and error.

// hidden stands for a secret in a text.
const hidden = "xxxxx"

// Redacted returns what may be shown of an address, whatever its form: its user information, the
// values in its query and its fragment are replaced. Of an address that can't be parsed only the
// scheme is left, as any part may be a secret in the wrong place.
//
// A user name that stands before a password is kept, as it names an account of a database; not so in
// http and https, where either half may be the token.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, ok := strings.Cut(address, ":")
		if !ok || !schemes.MatchString(scheme) {
			return "..."
		}
		return scheme + ":..."
	}
	head, query, _ := strings.Cut(address, "?")
	head, _, _ = strings.Cut(head, "#")
	prefix, rest := "", head
	if u.Scheme != "" {
		prefix, rest = head[:len(u.Scheme)+1], head[len(u.Scheme)+1:]
	}
	if from := strings.TrimLeft(rest, "/"); from != rest {
		prefix, rest = prefix+rest[:len(rest)-len(from)], from
	}
	if u.User != nil {
		_, rest, _ = strings.Cut(rest[strings.LastIndex(rest[:len(rest)-len(afterHost(rest))], "@"):], "@")
		password, _ := u.User.Password()
		switch {
		case password == "" && u.User.Username() != "", u.Scheme == "http", u.Scheme == "https":
			prefix += hidden + "@"
		case password != "":
			prefix += url.User(u.User.Username()).String() + ":" + hidden + "@"
		default:
			prefix += "@"
		}
	}
	// A password may follow what was taken for a path: http:/me:secret@host, me:secret@host.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		from := 0
		if u.Host != "" {
			from = len(rest) - len(afterHost(rest)) + 1
		}
		rest = rest[:from] + hidden + rest[at:]
	}
	shown := prefix + settings.ReplaceAllString(rest, "="+hidden)
	if u.RawQuery != "" {
		query, _, _ = strings.Cut(query, "#")
		parts := strings.Split(query, "&")
		for i, part := range parts {
			name, _, pair := strings.Cut(part, "=")
			switch {
			case pair:
				parts[i] = name + "=" + hidden
			case part != "":
				parts[i] = hidden
			}
		}
		shown += "?" + strings.Join(parts, "&")
	}
	if u.Fragment != "" {
		shown += "#" + hidden
	}
	return shown
}

var (
	schemes  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*$`) // RFC 3986, section 3.1
	settings = regexp.MustCompile(`=[^&;\s]+`)
)

// afterHost returns what follows the authority at the beginning of rest.
func afterHost(rest string) string {
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// Secrets keep the secrets of addresses out of texts that others have written: a server may repeat
// the request in its answer, and a library the address in its errors. A nil *Secrets has none.
type Secrets struct {
	replacer *strings.Replacer
}

// leastSecret is the length, in bytes, from which a secret is replaced wherever it stands. A shorter
// one is replaced only beside its name, as it may be part of any word.
const leastSecret = 5

// SecretsOf returns the secrets of addresses, well-formed or not.
func SecretsOf(addresses ...string) *Secrets {
	var whole, parts []string // each text and its replacement
	for _, address := range addresses {
		if shown := Redacted(address); shown != address {
			whole = append(whole, address, shown)
		}
		hide := func(text string) {
			for _, form := range []string{text, unescaped(text)} {
				if len(form) >= leastSecret && !slices.Contains(parts, form) {
					parts = append(parts, form, hidden)
				}
			}
		}
		head, query, _ := strings.Cut(address, "?")
		if at := strings.LastIndexByte(head, '@'); at >= 0 {
			user := head[:at]
			if i := strings.Index(user, "//"); i >= 0 {
				user = user[i+2:]
			}
			name, password, _ := strings.Cut(user, ":")
			pair := unescaped(name) + ":" + unescaped(password)
			hide(user)
			hide(pair)
			hide(base64.StdEncoding.EncodeToString([]byte(pair))) // as in an Authorization header
			if password != "" {
				name = password
			}
			hide(name)
		}
		for part := range strings.SplitSeq(query, "&") {
			name, value, pair := strings.Cut(part, "=")
			if pair && name != "" && value != "" {
				parts = append(parts, part, name+"="+hidden)
				hide(value)
			} else {
				hide(part)
			}
		}
	}
	if len(whole)+len(parts) == 0 {
		return nil
	}
	return &Secrets{strings.NewReplacer(append(whole, parts...)...)} // the first that fits counts
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// Redact returns text without the secrets.
func (s *Secrets) Redact(text string) string {
	if s == nil {
		return text
	}
	return s.replacer.Replace(text)
}

// RedactError returns err with its text redacted. The error still wraps err.
func (s *Secrets) RedactError(err error) error {
	if s == nil || err == nil {
		return err
	}
	if text := s.Redact(err.Error()); text != err.Error() {
		return &redactedError{text, err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }
