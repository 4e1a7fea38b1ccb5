// Package unit writes the systemd unit that a config wants: the times follow from
// its times, the rights from what it opens, and everything else is shut.
//
// It owns which rights of root each kind of config needs and which parts of
// systemd's sandbox the supervisor works in. It promises that every line that is
// not plain has its reason beside it, in the unit itself, since whoever runs the
// service edits that and not this. It refuses to look at the machine: what the
// caller knows of it is in Place.
//
// # Why
//
// Three kinds of config lead to three kinds of master.
//
// With user or group in the config the master is root and only its workers are that
// user, so that they reach neither keys nor control socket. User= names them all
// the same, and "!" in front of the commands leaves the change to the program: that
// is what systemd.service(5) has it for. Runtime and state directory would then
// belong to the workers, so mkdir makes them.
//
// Without user, and where everything that the config names may be read by
// everybody, the service runs as a user that exists only while it does.
//
// Without user but with keys of root the master and its workers stay root, with no
// right of root but that to open low ports.
package unit
