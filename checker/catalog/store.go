package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// storedVersion is the first byte of every stored document.
const storedVersion = 1

func encode(v any) []byte {
	data, err := marshal(v)
	if err != nil {
		// Documents hold nothing but texts, numbers and canonical JSON, which always marshal.
		panic(fmt.Sprintf("catalog: a document cannot be written: %v", err))
	}
	return append([]byte{storedVersion}, data...)
}

// marshal writes JSON that holds < > & as they are, so that a constraint such as ">=2 <3" is read back as it stood.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func decode(data []byte, into any) error {
	if len(data) == 0 || data[0] != storedVersion {
		version := 0
		if len(data) > 0 {
			version = int(data[0])
		}
		return fmt.Errorf("stored document: format version %d is not one this program reads (it reads %d)",
			version, storedVersion)
	}
	if err := json.Unmarshal(data[1:], into); err != nil {
		return fmt.Errorf("stored document: %w", err)
	}
	return nil
}

// same tells whether two parts of documents are stored alike.
func same(a, b any) bool { return bytes.Equal(encode(a), encode(b)) }

// EncodeCatalogue writes the stored form of a catalogue.
func EncodeCatalogue(c Catalogue) []byte { return encode(c) }

// DecodeCatalogue reads the stored form of a catalogue.
func DecodeCatalogue(data []byte) (Catalogue, error) {
	var c Catalogue
	err := decode(data, &c)
	return c, err
}

// EncodePlan writes the stored form of a plan version.
func EncodePlan(p PlanVersion) []byte { return encode(p) }

// DecodePlan reads the stored form of a plan version.
func DecodePlan(data []byte) (PlanVersion, error) {
	var p PlanVersion
	err := decode(data, &p)
	return p, err
}

// EncodeCustomer writes the stored form of a customer.
func EncodeCustomer(c Customer) []byte { return encode(c) }

// DecodeCustomer reads the stored form of a customer.
func DecodeCustomer(data []byte) (Customer, error) {
	var c Customer
	err := decode(data, &c)
	return c, err
}

// pointer is what stands where a customer of the default group would, if it is in another group.
type pointer struct {
	Pointer bool   `json:"pointer"`
	Group   string `json:"group"`
}

// EncodePointer writes the document that says in which group a customer is.
func EncodePointer(group string) []byte { return encode(pointer{true, group}) }

// DecodePointer tells whether a stored document is a pointer, and to which group.
func DecodePointer(data []byte) (group string, ok bool) {
	if !bytes.HasPrefix(data, []byte("\x01{\"pointer\":true,")) {
		return "", false
	}
	var p pointer
	if decode(data, &p) != nil {
		return "", false
	}
	return p.Group, p.Pointer
}

// MarshalJSON writes the fields of a change beside its time.
func (c Change) MarshalJSON() ([]byte, error) {
	out := make(map[string]json.RawMessage, len(c.Fields)+1)
	for key, value := range c.Fields {
		out[key] = value
	}
	at, err := json.Marshal(c.At)
	out["at"] = at
	if err != nil {
		return nil, err
	}
	return marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Change) UnmarshalJSON(data []byte) error {
	c.Fields = nil
	if err := json.Unmarshal(data, &c.Fields); err != nil {
		return err
	}
	var at time.Time
	if err := json.Unmarshal(c.Fields["at"], &at); err != nil {
		return fmt.Errorf("a change without its time: %w", err)
	}
	c.At = at
	delete(c.Fields, "at")
	return nil
}
