package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A Loss says that the vault that was in the directory is no more. Its holder's rights are in doubt until it is fenced.
type Loss struct {
	ID     ID // zero: not even that is known
	Why    string
	KeptIn string // where the damaged file is; empty: there was none
}

func lossOf(formers []Former, id ID) *Loss {
	for _, f := range formers {
		if f.ID == id && f.Lost {
			return &Loss{ID: id, Why: f.Why}
		}
	}
	return nil
}

// replace moves a lost vault aside and makes another, which lists the lost holder. The HOLDER file stays until the end:
// a crash on the way finds it without its vault, or with a vault that names it as lost.
func (v *Vault) replace(m marker, why error) error {
	if err := v.room(); err != nil {
		return err
	}
	v.lost = &Loss{ID: m.id, Why: why.Error()}
	if _, err := os.Lstat(v.path(dataFile)); err == nil {
		v.lost.KeptIn = v.path(fmt.Sprintf("%s%s%d-%.4x", dataFile, asideMark, v.o.Now().UnixMilli(), m.id[:]))
		for exists(v.lost.KeptIn) {
			v.lost.KeptIn += "x"
		}
		if err := v.o.reached.rename(v.path(dataFile), v.lost.KeptIn); err != nil {
			return fmt.Errorf("moving a damaged vault aside: %w", err)
		}
		if err := v.setJournalAside(v.lost.KeptIn); err != nil {
			return fmt.Errorf("moving a damaged vault's journal aside: %w", err)
		}
	}
	v.o.Logger.Error("the vault is lost: what this holder counted and did not report is in doubt; fence it at the hub",
		"holder", m.id, "why", why, "kept_in", v.lost.KeptIn)
	var formers []Former
	if m.id != (ID{}) {
		formers = []Former{{ID: m.id, Public: m.public, Incarnation: m.incarnation, Ended: v.o.Now(), Lost: true,
			Why: v.lost.Why}}
	}
	return v.make(formers, m.incarnation)
}

// setJournalAside keeps the journal beside the database that it belongs to.
func (v *Vault) setJournalAside(db string) error {
	err := v.o.reached.rename(v.path(journalFile), db+".log")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Lost tells whether Open found that the vault before this one is lost. Raise an alarm.
func (v *Vault) Lost() (Loss, bool) {
	if v.lost == nil {
		return Loss{}, false
	}
	return *v.lost, true
}
