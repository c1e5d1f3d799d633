package outbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// sign is the webhook-signature of a request: one for each key that is valid, separated by spaces.
func (w *Webhook) sign(id string, body []byte, now time.Time) string {
	var all []string
	for _, k := range w.Keys {
		if k.Until != 0 && now.UnixMilli() >= k.Until {
			continue
		}
		mac := hmac.New(sha256.New, k.Secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(now.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
