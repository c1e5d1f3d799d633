// Package outbox answers who is to hear of what happened, and brings it to them: as signed requests to webhooks, by
// Standard Webhooks 1.0.
//
// It does not say what is worth telling; that is for whoever asks for Puts and writes them with what they tell of. It
// serves no HTTP.
//
// # Invariants
//   - An event is written in one entry with what it tells of, once for each webhook that wants it. It stays in the log
//     until the webhook has answered 2xx, or the last attempt has failed, or it is dropped; each of these is counted.
//   - Of any number of hubs one makes an attempt: it claims the event by compare-and-swap, for longer than an attempt
//     takes. If it dies meanwhile another one makes it again. So an event may come twice, with the same webhook-id.
//   - A webhook that is slow holds up itself alone.
//   - Without webhooks nothing is written, and a webhook has no more than MaxPending events waiting for long.
//   - No secret, no path of an address and nothing that a webhook answered is logged.
//
// # Concurrency
//
// Run is called once. Reset, Apply and Published are the follower's, one at a time. Everything else may be called at
// any time.
//
// # Format
//
// Documents are a version byte, 1, and JSON: webhook/<id> is a Webhook, event/<webhook>/<event> one event for one
// webhook, outcome/<id> an Outcome.
package outbox
