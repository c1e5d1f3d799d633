package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

var (
	status200     = []byte("HTTP/1.1 200")
	contentLength = []byte("\r\nContent-Length: ")
	endOfHead     = []byte("\r\n\r\n")
)

// An answer is what has come of an HTTP/1.1 answer so far.
type answer struct {
	ok   bool // it is a 200
	body []byte
	left int // bytes that have not come yet; -1: not even the head has
}

// readAnswer looks at the bytes that have come.
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

// fetch sends one request on a connection of its own and answers the body.
func fetch(network, address string, request []byte) ([]byte, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	got := make([]byte, 0, 4<<10)
	for {
		got = append(got, make([]byte, 4<<10)...)[:len(got)]
		n, err := conn.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if err != nil {
			return nil, fmt.Errorf("answer: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		if a, err := readAnswer(got); err != nil || a.left == 0 {
			return a.body, err
		}
	}
}
