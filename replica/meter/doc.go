// Package meter answers one question: may this be consumed here and now, and is it written down?
//
// It joins what a customer holds (package checker), the rights and the usage of this holder (package ledger), a vault
// that remembers and a hub that grants. It decides nothing by rules of its own, knows no disk and no transport, and
// counts for one holder only; what others used it is told.
//
// # Invariants
//   - Whoever is told "consumed" is told after the vault has it, except for chunked features, of which the chunk is in
//     the vault before. What a crash leaves in doubt of those is what about two seconds need.
//   - If the vault cannot take a change, nobody who waited for it is told "consumed", and nothing of it is counted.
//   - An idempotency key is in the vault together with the units that it stands for.
//   - The hub is told only what is in the vault, and after a start nothing new at first: so it shows whether somebody
//     else has, or had, the same vault.
//   - Rights that were granted to a name are spent under that name alone.
//   - A hard limit needs no hub while rights are held, and is never exceeded for want of one.
//   - What is counted is counted in the period that the hub's calendar says, as soon as anything of it was told, and
//     until then in the one that was begun here, whatever the documents say meanwhile.
//   - What cannot be undone (void rights given back, periods forgotten) is done by a time that a hub has told as well.
//
// # Time
//
// A Clock follows the machine's, which may be wrong. What a limit allows is safe whatever it shows: every right and
// every unit belongs to a period by name. What a wrong clock can cost:
//   - Set forward, once a hub has told the time: nothing. The time stays within ten minutes of the hub's.
//   - Set forward before a hub has told: hard limits have no rights, soft use is counted in the period that the clock
//     shows, and idempotency keys are forgotten when they are a day old by it. Set right again, it goes on as before.
//   - Set back by more than a minute: time goes back too. Rights that were given back stay so, and a period that was
//     forgotten gives no rights again; the hub grants nothing of a period that is over by its own clock.
//   - A hub's clock that is wrong: it grants by it, so holders are short of rights until it is right. If it was ahead,
//     and the holder's too, so that the holder forgot the open period, the holder goes on under another name.
//   - A process that was suspended goes on; what ended meanwhile has ended. On a machine that slept the time may be
//     behind by as long as it slept, until a hub tells it.
//
// # Concurrency
//
// A Meter may be used by any number of goroutines. Run owns those that write and report.
package meter
