package wire

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// The most that a user reads of an answer.
const (
	headLimit = 1 << 20  // bytes of all heads of an exchange, those of interim responses (1xx) included
	bodyLimit = 16 << 20 // bytes of a body, the framing of chunks and the trailer included
	unlimited = math.MaxInt64
)

// A LimitError is the error of an answer that is longer than a user reads. Its connection is closed.
type LimitError struct {
	Part  string // "head" or "body"
	Bytes int64  // the most that is read of it
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the %s of the server's answer is longer than %d MiB, which is the limit", e.Part, e.Bytes>>20)
}

// allow sets how much may be read from now on, what is in the buffer included.
func (c *conn) allow(part string, limit int64) {
	c.part, c.limit = part, limit
	c.left = limit - int64(c.answers.Buffered())
}

// exceeded returns the error of a connection from which no more may be read; nil if more may be read.
func (c *conn) exceeded() error {
	if c.left > 0 {
		return nil
	}
	return &LimitError{c.part, c.limit}
}

// A framing says where the body of an answer ends.
type framing struct {
	length  int64 // in bytes; -1: unknown
	chunked bool
	keep    bool // the connection can carry another request
}

// readAnswer reads the head of the response to req (RFC 9112, sections 4 to 6), after any interim
// ones. The response has no Body yet.
func (c *conn) readAnswer(req *http.Request) (*http.Response, framing, error) {
	for {
		resp, err := c.readHead(req)
		if err != nil {
			if limit := c.exceeded(); limit != nil {
				err = limit
			} else if err = cmp.Or(c.broke, err); err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, framing{}, fmt.Errorf("reading the answer: %w", err)
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols && req.Header.Get("Upgrade") == "":
			return nil, framing{}, fmt.Errorf("the server answered %s, but the request asked for no other protocol (RFC 9110, section 15.2.2)", resp.Status)
		case resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode >= http.StatusOK:
			f, err := frame(resp)
			if err != nil {
				return nil, framing{}, fmt.Errorf("the server answered %s: %w", resp.Status, err)
			}
			resp.ContentLength, resp.Close = f.length, !f.keep
			return resp, f, nil
		}
	}
}

// readHead reads a status line and headers.
func (c *conn) readHead(req *http.Request) (*http.Response, error) {
	text := textproto.Reader{R: c.answers}
	line, err := text.ReadLine()
	if err != nil {
		return nil, err
	}
	version, status, _ := strings.Cut(line, " ")
	major, minor, ok := http.ParseHTTPVersion(version)
	status = strings.TrimLeft(status, " ")
	digits, _, _ := strings.Cut(status, " ")
	code, err := strconv.ParseUint(digits, 10, 16)
	if !ok || major != 1 || err != nil || len(digits) != 3 || code < 100 {
		return nil, fmt.Errorf("it begins with %.60q, which is no answer of HTTP/1.1", line)
	}
	header, err := text.ReadMIMEHeader()
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: status, StatusCode: int(code), Proto: version, ProtoMajor: major, ProtoMinor: minor,
		Header: http.Header(header), Request: req,
	}, nil
}

// frame finds the end of the body (RFC 9112, section 6.3). A connection is not kept if two lengths are
// given, as the server and a proxy may disagree on where the next answer begins.
func frame(resp *http.Response) (framing, error) {
	f := framing{keep: keepsAlive(resp)}
	lengths, codings := resp.Header["Content-Length"], resp.Header["Transfer-Encoding"]
	if resp.StatusCode < http.StatusOK || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return f, nil // no body, whatever the headers say
	}
	if len(codings) > 0 {
		coding := strings.Join(codings, ", ")
		switch {
		case resp.ProtoMinor == 0:
			return f, errors.New("an answer of HTTP/1.0 has no Transfer-Encoding (RFC 9112, section 6.1)")
		case !strings.EqualFold(strings.TrimSpace(coding), "chunked"):
			return f, fmt.Errorf("its body is encoded as %.100q, and users read only chunked: turn the encoding off", coding)
		}
		f.length, f.chunked, f.keep = -1, true, f.keep && len(lengths) == 0
		return f, nil
	}
	if len(lengths) == 0 {
		f.length, f.keep = -1, false // the body ends with the connection
		return f, nil
	}
	var err error
	if f.length, err = contentLength(lengths); err == nil && f.length > bodyLimit {
		err = &LimitError{"body", bodyLimit}
	}
	return f, err
}

// contentLength returns the value of Content-Length, which may stand there several times (RFC 9110,
// section 8.6).
func contentLength(lines []string) (int64, error) {
	length := int64(-1)
	for _, line := range lines {
		for text := range strings.SplitSeq(line, ",") {
			n, err := strconv.ParseUint(strings.Trim(text, " \t"), 10, 63)
			if err != nil || length >= 0 && int64(n) != length {
				return 0, fmt.Errorf("%.100q is no Content-Length", strings.Join(lines, ", "))
			}
			length = int64(n)
		}
	}
	return length, nil
}

// keepsAlive reports whether the connection stays open after a response (RFC 9112, section 9.3).
func keepsAlive(resp *http.Response) bool {
	keep := resp.ProtoMinor > 0
	for _, line := range resp.Header["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			switch option = strings.Trim(option, " \t"); {
			case strings.EqualFold(option, "close"):
				return false
			case strings.EqualFold(option, "keep-alive"):
				keep = true
			}
		}
	}
	return keep
}

// contentCoding returns the content coding of a response (RFC 9110, section 8.4); "" if it has none.
func contentCoding(resp *http.Response) string {
	coding := strings.Join(resp.Header["Content-Encoding"], ", ")
	if strings.EqualFold(strings.TrimSpace(coding), "identity") {
		return ""
	}
	return coding
}
