package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/sidegate/sidegate/replica"
)

const (
	lockFile   = "LOCK"
	holderFile = "HOLDER"
	dataFile   = "vault.db"
	// journalFile has the commits that are not in dataFile yet.
	journalFile = "vault.log"
	unfinished  = ".new" // of a file that is to replace another
	asideMark   = ".lost-"
)

// Limits of what a batch may hold, in bytes.
const (
	MaxKey    = 1 << 10  // of an account or a note
	MaxValue  = 16 << 20 // of an account or a note
	MaxAnswer = 1 << 16  // of a memory
)

// ErrBroken is wrapped by everything that a vault is asked after it failed in a way that only opening it again can
// mend. What Commit acknowledged is safe. Whether the failed commit is there, opening it will show: that one is
// replica.ErrUnknown too.
var ErrBroken = replica.ErrBroken

// Options say where a vault is and how it is kept.
type Options struct {
	Dir    string // made if missing; nothing else may lie there
	Key    []byte // KeySize bytes; nil: values are stored in the clear
	Rekey  bool   // a vault that Key does not fit and OldKey does is rewritten under Key, in one go
	OldKey []byte // nil: it was in the clear. Only with Rekey
	// Free answers the bytes that are free where dir is; nil asks the system.
	Free        func(dir string) (uint64, error)
	MinFree     uint64        // below it no batch is written; 0: 64 MiB
	Keep        time.Duration // how long a memory is kept; 0: 24 h
	MaxMemories int           // how many are kept; 0: 10,000,000
	Now         func() time.Time
	Logger      *slog.Logger // nil: silent
	journal     int          // bytes; 0: journalSize. Tests have small ones
	reached     boundary     // nil: nothing is done there
}

// A Vault is open until Close.
type Vault struct {
	o    Options
	lock *os.File
	file *os.File // bbolt's own
	db   *bbolt.DB
	lost *Loss

	writing sync.Mutex // held by whoever writes
	box     box
	scratch scratch
	log     *journal
	full    chan struct{}         // there is a half of the journal for Run to take over
	behind  sync.Mutex            // held by who takes one over
	commit  func(*bbolt.Tx) error // (*bbolt.Tx).Commit; tests let it fail
	sync    func(*os.File) error  // of the journal; tests let it fail

	mu sync.RWMutex // guards what follows
	state
	table    *table
	pending  map[place][]byte // what the half of the journal that is written has; nil values are deleted
	folding  map[place][]byte // what the other half has and bbolt takes just now; nil: nothing
	first    uint64           // sequence number of the oldest memory; seal.next: there is none
	broken   error            // not nil: everything is refused with it
	isClosed bool             // written with writing held too
}

func (o Options) complete() (Options, error) {
	if o.Now == nil || o.Dir == "" {
		return o, errors.New("vault: options without a clock or a directory")
	}
	for _, key := range [][]byte{o.Key, o.OldKey} {
		if key != nil && len(key) != KeySize {
			return o, fmt.Errorf("the vault's key has %d bytes, not %d", len(key), KeySize)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.MaxMemories == 0 {
		o.MaxMemories = 10_000_000
	}
	if o.journal == 0 {
		o.journal = journalSize
	}
	if o.reached == nil {
		o.reached = func(string) {}
	}
	return o, nil
}

// Open takes a directory, verifies the vault in it or makes one, and begins a new incarnation. ErrKey, ErrVersion: it
// is refused and unchanged. replica.ErrNoSpace: there is no room to begin. A vault that was lost is replaced: see Lost.
func Open(o Options) (*Vault, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("vault: %w", noSpace(err))
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", noSpace(err))
	}
	v := &Vault{o: o, lock: lock, commit: (*bbolt.Tx).Commit, sync: datasync, pending: map[place][]byte{},
		full: make(chan struct{}, 1)}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the vault in %s is in use by another process; give each its own", o.Dir),
			lock.Close())
	}
	if err := v.open(); err != nil {
		return nil, fmt.Errorf("vault in %s: %w", o.Dir, errors.Join(err, v.letGo()))
	}
	return v, nil
}

func (v *Vault) path(name string) string { return filepath.Join(v.o.Dir, name) }

func (v *Vault) open() error {
	for _, name := range []string{dataFile, journalFile, holderFile} {
		if err := removeIfThere(v.path(name + unfinished)); err != nil {
			return err
		}
	}
	m, c, err := v.find()
	if err != nil {
		return err
	}
	if !slices.Equal(c.key, v.o.Key) {
		if c, err = v.rekey(c); err != nil {
			return err
		}
	}
	if v.lost == nil && m.id != c.self.ID {
		v.lost = lossOf(c.formers, m.id) // it was replaced, and the process ended before anybody heard
	}
	return v.begin(c)
}

// find is the vault in the directory, or the one that takes the place of a lost one, or the first.
func (v *Vault) find() (m marker, c *content, err error) {
	data, err := os.ReadFile(v.path(holderFile))
	hasMarker := !errors.Is(err, fs.ErrNotExist)
	if err != nil && hasMarker && !errors.Is(err, syscall.EIO) {
		return m, nil, err
	}
	wellMarked := false
	if hasMarker {
		if m, err = decodeMarker(data); errors.Is(err, ErrVersion) {
			return m, nil, err
		}
		wellMarked = err == nil
	}
	c, err = v.scan()
	if err == nil && wellMarked {
		err = c.agrees(m)
	}
	if err == nil {
		c, err = v.replay(c)
	}
	switch {
	case err == nil && !wellMarked:
		v.o.Logger.Warn("the HOLDER file was missing or damaged and is written anew", "dir", v.o.Dir)
		return m, c, nil
	case err == nil:
		return m, c, nil
	case errors.Is(err, fs.ErrNotExist) && !hasMarker:
		err = v.make(nil, 0)
	case errors.Is(err, fs.ErrNotExist):
		err = v.replace(m, errors.New("the database is gone"))
	case isDamage(err):
		err = v.replace(m, err)
	}
	if err != nil {
		return m, nil, err
	}
	c, err = v.scan()
	return m, c, err
}

func (v *Vault) scan() (*content, error) {
	keys := [][]byte{v.o.Key}
	if v.o.Rekey {
		keys = append(keys, v.o.OldKey)
	}
	return scan(v.path(dataFile), keys...)
}

// begin opens bbolt, makes a new incarnation durable, and then the marker.
func (v *Vault) begin(c *content) error {
	v.box, v.table, v.first = c.box, c.table, c.first
	v.state = state{self: c.self, formers: c.formers, seal: c.seal, due: math.MinInt64}
	if v.self.Incarnation >= math.MaxUint32 {
		return errors.New("the vault was opened four billion times")
	}
	v.self.Incarnation++
	random(v.self.Nonce[:])
	v.box.era = uint32(v.self.Incarnation)
	v.box.addEra(v.box.era, v.self.Nonce)
	if err := v.openBolt(); err != nil {
		return err
	}
	if c.format == 1 {
		c.journal = newJournalName(v.o.journal)
		if err := v.o.reached.makeJournal(v.path(journalFile), c.journal); err != nil {
			return err
		}
	}
	var err error
	if v.log, err = openJournal(v.path(journalFile), c.journal); err != nil {
		return err
	}
	n := v.next("", v.o.Now())
	if err := v.fold(&n, nil, func(tx *bbolt.Tx) error { return v.putBeginning(tx, c) }); err != nil {
		return err
	}
	return v.writeMarker()
}

// putBeginning writes the new incarnation, and drops the eras in which no value is sealed any more.
func (v *Vault) putBeginning(tx *bbolt.Tx, c *content) error {
	own := tx.Bucket([]byte(bucketSelf))
	if c.format < format {
		err := errors.Join(own.Put([]byte(keyHeader), c.header.encode()), v.put(tx, keyJournal, c.journal.encode()))
		if err != nil {
			return err
		}
	}
	for era := range c.eras {
		if c.used[era] {
			continue
		}
		if err := own.Delete(eraKey(era)); err != nil {
			return err
		}
	}
	key := eraKey(v.box.era)
	clear := box{}
	err := own.Put(key, clear.seal(nil, selfKey(string(key)), v.self.Nonce[:]))
	return errors.Join(err, v.put(tx, keyIdentity, v.self.encode()))
}

// put writes a record of the vault itself.
func (v *Vault) put(tx *bbolt.Tx, key string, body []byte) error {
	return tx.Bucket([]byte(bucketSelf)).Put([]byte(key), v.box.seal(nil, selfKey(key), body))
}

func (v *Vault) writeMarker() error {
	m := marker{id: v.self.ID, public: v.self.Public, incarnation: v.self.Incarnation}
	err := v.o.reached.replaceFile(v.path(holderFile), m.encode())
	if errors.Is(err, replica.ErrNoSpace) {
		v.o.Logger.Warn("the HOLDER file could not be written: until the next start an old copy of the vault would pass",
			"error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("the HOLDER file: %w", err)
	}
	return nil
}

// Run has bbolt take over what the journal has, whenever half of it is full, until ctx ends. Without it the commit does
// that which needs the room.
func (v *Vault) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.full:
			_ = v.settle() // the commit that needs the room tries again, and tells
		}
	}
}

// Close lets the directory go. No method may be called after it.
func (v *Vault) Close() error {
	v.writing.Lock()
	defer v.writing.Unlock()
	if v.isClosed {
		return nil
	}
	if err := v.foldPending(); err != nil && v.usable() == nil {
		v.o.Logger.Info("the journal is kept as it is for the next start", "why", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.isClosed = true
	return v.letGo()
}

// letGo closes what is open.
func (v *Vault) letGo() error {
	err := v.closeBolt(v.broken == nil)
	v.broken = fmt.Errorf("%w: it is closed", ErrBroken)
	if v.log != nil {
		err = errors.Join(err, v.log.f.Close())
	}
	return errors.Join(err, v.lock.Close())
}

// room is replica.ErrNoSpace when the disk is nearly full.
func (v *Vault) room() error {
	free, err := v.o.Free(v.o.Dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", v.o.Dir, err)
	}
	if free < v.o.MinFree {
		return fmt.Errorf("%w: %d MiB are free, %d are kept free", replica.ErrNoSpace, free>>20, v.o.MinFree>>20)
	}
	return nil
}

func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	return st.Bavail * uint64(st.Bsize), err
}

// noSpace says replica.ErrNoSpace of an error that means it.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", replica.ErrNoSpace, err)
	}
	return err
}
