// Package bench answers how fast the product is, measured from outside: real processes, real sockets, real disks.
//
// It starts a hub and a sidecar from the program it is part of, loads a synthetic world, and drives them beside a
// floor: for checks a fasthttp server that answers a fixed body of the same size, for consumption checks of the same
// sidecar, a plain sync of the same disk and, if there is one, Redis. It does not judge; it prints what it measured,
// the floor in the same run, and the machine.
//
// # Invariants
//   - Floor and product are measured in turns within one run, under the same load, writers and pinning.
//   - An answer that is not a 200 counts as an error and is reported, and so does a denial of what is to be allowed.
//
// # Concurrency
//
// Scenarios run one at a time; each owns the processes it starts and ends them before it returns.
package bench
