package config

import (
	"errors"
	"os/user"
	"strconv"
)

// account checks user and group. A number that is known becomes its name, so
// that everyone after can look it up by name.
func (r *reader) account(c *Config) {
	if c.User != "" {
		u, err := user.Lookup(c.User)
		if _, atoi := strconv.Atoi(c.User); err != nil && atoi == nil {
			u, err = user.LookupId(c.User)
		}
		if err != nil {
			r.report("user", "", "key %q: found %q, expected a user of this machine: %s", "user", c.User, unknown(err))
		} else {
			c.User = u.Username
		}
	}
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if _, atoi := strconv.Atoi(c.Group); err != nil && atoi == nil {
			g, err = user.LookupGroupId(c.Group)
		}
		if err != nil {
			r.report("group", "", "key %q: found %q, expected a group of this machine: %s", "group", c.Group, unknown(err))
		} else {
			c.Group = g.Name
		}
	}
}

// unknown says why a look-up of an account ended without one.
func unknown(err error) string {
	var (
		name    user.UnknownUserError
		id      user.UnknownUserIdError
		group   user.UnknownGroupError
		groupID user.UnknownGroupIdError
	)
	if errors.As(err, &name) || errors.As(err, &id) || errors.As(err, &group) || errors.As(err, &groupID) {
		return "there is none of that name"
	}
	return err.Error()
}
