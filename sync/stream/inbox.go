package stream

import (
	"strconv"
	"strings"
)

// reply numbers a reply subject below an inbox.
func reply(inbox string, i int) string { return inbox + "." + strconv.Itoa(i) }

// replied reads the number of a reply; false if it is none of the n that were asked.
func replied(inbox, subject string, n int) (int, bool) {
	tail, ok := strings.CutPrefix(subject, inbox+".")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(tail)
	return i, err == nil && i >= 0 && i < n
}
