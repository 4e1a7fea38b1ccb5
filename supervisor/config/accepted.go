package config

import (
	"encoding/json"

	"example.com/handover/worker/wire"
)

// acceptedName is the descriptor under which the anchor keeps the config that
// the service was last accepted with.
const acceptedName = "config"

// accepted returns the config that a killed master had accepted, if this process
// was started in its place and asks for the same file. What lies on disk counts
// at the next reload: a program that supervises itself and was restarted while a
// broken file lies there must not fall over it.
func accepted(path string) *Config {
	if wire.Role() != wire.RoleMaster {
		return nil
	}
	f := wire.Peek(acceptedName)
	if f == nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	text, err := wire.ReadSealed(f)
	if err != nil {
		return nil
	}
	c := new(Config)
	if json.Unmarshal(text, c) != nil || c.Path != path {
		return nil
	}
	return c
}

// UnmarshalJSON fills in the defaults first: what was accepted by a neighbouring
// release has not every key of this one.
func (c *Config) UnmarshalJSON(text []byte) error {
	type plain Config // without this method
	p := plain(*base())
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*c = Config(p)
	return nil
}
