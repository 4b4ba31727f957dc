package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"pushpull/transports"
)

// A body is the body of a response. Once it has been read, its connection is idle again. Close may be called
// while another goroutine reads, as whoever leaves a stream does.
type body struct {
	framing

	pool   *Pool
	conn   *conn
	req    *http.Request
	stop   func() bool
	chunks chunks
	done   atomic.Bool
	empty  bool // it was counted as an answer without a message

	// The exchange is a handshake all of whose bytes are: those written, and those read since before.
	handshake       bool
	before, written int64
}

var _ transports.Emptier = (*body)(nil)

// Empty implements transports.Emptier. Further calls do nothing.
func (b *body) Empty() {
	if !b.empty {
		b.empty = true
		b.pool.Dialer.Counts.empty.Add(1)
	}
}

func (b *body) Read(p []byte) (int, error) {
	if b.done.Load() {
		return 0, io.EOF
	}
	n, err := b.read(p)
	if err != nil {
		b.release(err == io.EOF)
		err = reason(b.req.Context(), err)
	}
	return n, err
}

func (b *body) read(p []byte) (n int, err error) {
	switch {
	case b.chunked:
		return b.chunks.read(b.conn.answers, p)
	case b.length < 0:
		return b.conn.answers.Read(p) // to the end of the connection
	}
	n, err = b.conn.answers.Read(p[:min(int64(len(p)), b.length)])
	b.length -= int64(n)
	switch {
	case b.length == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close gives up the rest of the body, and with it the connection.
func (b *body) Close() error {
	b.release(false)
	return nil
}

func (b *body) release(whole bool) {
	if b.done.Swap(true) {
		return
	}
	if b.handshake {
		counts := b.pool.Dialer.Counts
		counts.handshakeIn.Add(b.conn.meter.consumed() - b.before - int64(b.conn.answers.Buffered()+len(b.conn.early)))
		counts.handshakeOut.Add(b.written)
	}
	whole = whole && b.conn.answers.Buffered() == 0 && len(b.conn.early) == 0 // the rest would be read as the next response
	if b.stop() && whole && b.keep {
		b.pool.put(b.conn)
	} else {
		b.conn.close()
	}
}

// chunks reads the chunked transfer coding (RFC 9112, section 7.1). Extensions and trailers are
// skipped.
type chunks struct {
	left  int64 // bytes of the current chunk
	begun bool
}

// read reads one chunk, and more if they are in the buffer.
func (k *chunks) read(from *bufio.Reader, p []byte) (int, error) {
	n, err := k.some(from, p)
	for n > 0 && n < len(p) && err == nil && k.left == 0 && nextBuffered(from) {
		var more int
		more, err = k.some(from, p[n:])
		n += more
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	} else if err == errLastChunk {
		err = io.EOF
	}
	return n, err
}

// nextBuffered reports whether the buffer holds a whole chunk or the end of the last one, which can be
// read without waiting: the end of the chunk before, the head, and a line after that.
func nextBuffered(from *bufio.Reader) bool {
	buffered, _ := from.Peek(from.Buffered())
	return bytes.Count(buffered, []byte("\n")) >= 3
}

var errLastChunk = fmt.Errorf("the last chunk: %w", io.EOF)

func (k *chunks) some(from *bufio.Reader, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if k.left == 0 {
		if k.begun {
			if end, err := readLine(from); err != nil || len(end) > 0 {
				return 0, chunkError(end, err)
			}
		}
		k.begun = true
		line, err := readLine(from)
		if err != nil {
			return 0, err
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.Trim(digits, " \t")), 16, 63)
		if err != nil {
			return 0, chunkError(line, nil)
		}
		if k.left = int64(size); size == 0 {
			for trailer := true; trailer; trailer = len(line) > 0 {
				if line, err = readLine(from); err != nil {
					return 0, err
				}
			}
			return 0, errLastChunk
		}
	}
	n, err := from.Read(p[:min(int64(len(p)), k.left)])
	k.left -= int64(n)
	return n, err
}

func chunkError(line []byte, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%.60q is not the beginning of a chunk", line)
}

// readLine reads a line. It returns as much of its beginning as the buffer holds, without the end of
// the line, until the next read.
func readLine(from *bufio.Reader) ([]byte, error) {
	line, err := from.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		line = bytes.Clone(line)
		for err == bufio.ErrBufferFull {
			_, err = from.ReadSlice('\n')
		}
		return line, err
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
