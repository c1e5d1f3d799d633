//go:build !race

package hub_test

const underRace = false
