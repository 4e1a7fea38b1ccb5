package unit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"example.com/handover/supervisor/config"
)

// Place is what the machine knows and a config does not say.
type Place struct {
	Binary string                   // absolute, links not resolved: a reload follows them anew
	User   bool                     // the unit is for "systemctl --user"
	Real   func(path string) string // where a path leads
	Public func(path string) bool   // whether everybody may read it
}

// Text returns the unit for a config that came from a file.
func Text(c *config.Config, p Place) string {
	w := &writer{}
	u := printing{writer: w, config: c, place: p, needs: needsOf(c, p)}
	u.head()
	u.unit()
	u.service()
	if p.User {
		u.userSandbox()
	} else {
		u.identity()
		u.folders()
		u.sandbox()
	}
	u.install()
	return w.String()
}

// Unnamable returns a folder that the service writes to and no unit can name, since
// systemd knows no escapes in lists of paths; empty: there is none.
func Unnamable(c *config.Config, p Place) string {
	n := needsOf(c, p)
	for _, folder := range slices.Concat(n.private, n.shared) {
		if strings.ContainsFunc(folder, unicode.IsControl) {
			return folder
		}
	}
	return ""
}

// printing is one unit while it is written.
type printing struct {
	*writer
	config *config.Config
	place  Place
	needs  needs
}

func (u printing) head() {
	file := shell(u.config.Path)
	user, to, reload := "", "| sudo tee /etc/systemd/system/handover.service", "sudo systemctl daemon-reload"
	if u.place.User {
		user, to, reload = " --user", "> ~/.config/systemd/user/handover.service", "systemctl --user daemon-reload"
	}
	u.note("Written by \"handover unit\" for %s. Times, folders, ports and\nuser follow from that file: after a change to one of them write it again:\n\n"+
		"  handover unit%s -c %s %s\n  %s", file, user, file, to, reload)
}

func (u printing) unit() {
	u.section("Unit")
	u.set("Description", "Handover")
	u.note("Never given up: what a boot waits for, such as a database, may take its time.")
	u.set("StartLimitIntervalSec", "0")
	if u.place.User {
		return // a user's manager has no network target
	}
	if u.needs.addressed {
		u.note("A listener names an address, which must be there.")
		u.set("Wants", "network-online.target")
		u.set("After", "network-online.target")
		return
	}
	u.set("After", "network.target")
}

// Times around those of the config.
const (
	settle     = 10 * time.Second // a pair that is being written
	margin     = 10 * time.Second
	stopMargin = 15 * time.Second // the anchor's own patience is 10 s longer than the drain
	watchdog   = 30 * time.Second // the anchor gives up a silent master after 5
	again      = time.Second      // what fails at once must not fill the journal
)

func (u printing) service() {
	c, bang := u.config, ""
	if u.needs.setid && c.User != "" && !u.place.User {
		bang = "!"
	}
	binary, file := word(u.place.Binary), argument(c.Path)
	generation := settle + c.BootTimeout + margin
	u.section("Service")
	u.set("Type", "notify")
	u.set("ExecStart", bang+binary+" run -c "+file)
	u.note("Waits, and fails when the reload was refused; the unit stays active. There is\ntime for a reload that runs already, and then this one.")
	u.set("ExecReload", fmt.Sprintf("%s%s reload --timeout %s -c %s", bang, binary, seconds(2*generation+margin/2), file))
	u.set("TimeoutStartSec", seconds(2*generation+margin))
	u.note("shutdown_delay, graceful_timeout, and a margin.")
	u.set("TimeoutStopSec", seconds(c.ShutdownDelay+c.GracefulTimeout+stopMargin))
	u.set("Restart", "on-failure")
	u.set("RestartSec", seconds(again))
	u.note("What a new start cannot mend: usage, certificates, configuration.")
	u.set("RestartPreventExitStatus", "64 65 78")
	u.set("WatchdogSec", seconds(watchdog))
	u.note("A worker that is killed for want of memory is replaced: no reason to stop.")
	u.set("OOMPolicy", "continue")
	u.note("Listening sockets outlive a kill -9. A reload may hold the old and the new ones.")
	u.set("FileDescriptorStoreMax", fmt.Sprint(max(leastStored, 2*(len(c.Listen)+1))))
	if c.Limits.Files > 0 {
		u.note("limits.files, and never less than systemd's own.")
		u.set("LimitNOFILE", fmt.Sprint(max(c.Limits.Files, usualFiles)))
	}
}

const (
	leastStored = 16
	usualFiles  = 524288 // hard limit that systemd gives by itself
)

func (u printing) install() {
	u.section("Install")
	target := "multi-user.target"
	if u.place.User {
		target = "default.target"
	}
	u.set("WantedBy", target)
}

// seconds rounds up to whole ones.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%ds", cmp.Or((d+time.Second-1)/time.Second, 1))
}
