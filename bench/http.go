package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
)

var (
	status200     = []byte("HTTP/1.1 200")
	contentLength = []byte("\r\nContent-Length: ")
	endOfHead     = []byte("\r\n\r\n")
	allowedBody   = []byte(`{"allowed":true`)
)

// An answer is what has come of an answer so far.
type answer struct {
	ok     bool // it is what was hoped for: a 200, or more
	denied bool // it is a 200 that says no where a yes was to be
	body   []byte
	left   int // bytes that have not come yet; -1: not even the head has
}

// A reader looks at the bytes that have come. An error ends the load.
type reader func(b []byte) (answer, error)

// readAnswer is a reader of HTTP/1.1.
func readAnswer(b []byte) (answer, error) {
	end := bytes.Index(b, endOfHead)
	if end < 0 {
		return answer{left: -1}, nil
	}
	length := 0
	if at := bytes.Index(b[:end], contentLength); at >= 0 {
		text, _, _ := bytes.Cut(b[at+len(contentLength):end], endOfHead[:2])
		var err error
		if length, err = strconv.Atoi(string(text)); err != nil {
			return answer{}, fmt.Errorf("content length: %w", err)
		}
	}
	a := answer{ok: bytes.HasPrefix(b, status200), body: b[end+len(endOfHead):]}
	if a.left = length - len(a.body); a.left < 0 {
		return a, errors.New("an answer that nobody asked for")
	}
	return a, nil
}

// readAllowed is a reader of decisions, all of which are to allow.
func readAllowed(b []byte) (answer, error) {
	a, err := readAnswer(b)
	a.denied = a.ok && a.left == 0 && !bytes.HasPrefix(a.body, allowedBody)
	a.ok = a.ok && !a.denied
	return a, err
}

// Get is a GET request as it goes over the wire.
func Get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: sidecar\r\n\r\n")
}

// Post is a POST request with a JSON body as it goes over the wire.
func Post(path string, body []byte) []byte {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: sidecar\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n", path, len(body))
	return append([]byte(head), body...)
}

// A line is a connection for requests one after the other.
type line struct {
	conn net.Conn
	got  []byte
}

func dialLine(network, address string) (*line, error) {
	conn, err := net.Dial(network, address)
	return &line{conn: conn}, err
}

func (l *line) close() { _ = l.conn.Close() }

// exchange sends a request. The body of the answer is lent until the next one.
func (l *line) exchange(request []byte) (answer, error) {
	if _, err := l.conn.Write(request); err != nil {
		return answer{}, err
	}
	for l.got = l.got[:0]; ; {
		l.got = slices.Grow(l.got, 4<<10)
		n, err := l.conn.Read(l.got[len(l.got):cap(l.got)])
		l.got = l.got[:len(l.got)+n]
		if err != nil {
			return answer{}, fmt.Errorf("answer: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		if a, err := readAnswer(l.got); err != nil || a.left == 0 {
			return a, err
		}
	}
}

// fetch sends one request on a connection of its own and answers the body.
func fetch(network, address string, request []byte) ([]byte, error) {
	l, err := dialLine(network, address)
	if err != nil {
		return nil, err
	}
	defer l.close()
	a, err := l.exchange(request)
	return a.body, err
}
