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

// sealed is a Config as it crosses the border to another master.
type sealed struct {
	Version int `json:"v"`
	plain
}

// plain is a Config without its methods.
type plain Config

// MarshalJSON adds the version of the release.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(sealed{wire.Version, plain(c)}) }

// UnmarshalJSON fills in the defaults first: what was accepted by a neighbouring
// release has not every key of this one, and a zero would mean something else. The
// keys that this release does not know are passed over. A release whose new key
// must not be passed over, because it names what is served, counts wire.Version up
// by two: then no neighbour of it starts workers from this.
func (c *Config) UnmarshalJSON(text []byte) error {
	head := struct {
		Version int `json:"v"`
	}{silent}
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	if err := wire.Judge("accepted config", head.Version, wire.HintRestart); err != nil {
		return err
	}
	p := plain(*base())
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*c = Config(p)
	return nil
}

// silent is the version of a release that says none.
const silent = 2

// UnmarshalJSON fills in the defaults first, for the same reason.
func (l *Listen) UnmarshalJSON(text []byte) error {
	type plain Listen // without this method
	p := plain(blankListen())
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*l = Listen(p)
	return nil
}
