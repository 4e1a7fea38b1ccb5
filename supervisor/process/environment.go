package process

import (
	"slices"
	"strings"
)

// misleading are the variables that a program must not inherit from a
// supervisor: it would take tableflip's, systemd's or our own for its.
var misleading = []string{"TABLEFLIP_", "HANDOVER_", "LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "MAINPID="}

// Environment is own less what would mislead a program that is started.
func Environment(own []string) []string {
	env := make([]string, 0, len(own)+4)
	for _, v := range own {
		if !Misleads(v) {
			env = append(env, v)
		}
	}
	return env
}

// Listed is the environment of a list: NAME is passed on from own, if it is
// there, and NAME=VALUE is set. What would mislead is left out all the same.
func Listed(own, list []string) []string {
	env := make([]string, 0, len(list)+4)
	for _, entry := range list {
		if Misleads(entry) {
			continue
		}
		if strings.Contains(entry, "=") {
			env = append(env, entry)
		} else if value, found := lookUp(own, entry); found {
			env = append(env, entry+"="+value)
		}
	}
	return env
}

// OrElse adds a variable unless it is set.
func OrElse(env []string, name, value string) []string {
	if _, found := lookUp(env, name); found {
		return env
	}
	return append(env, name+"="+value)
}

// Misleads says whether a variable is one that a program must not inherit from a
// supervisor, by its name or with its value.
func Misleads(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.ContainsFunc(misleading, func(prefix string) bool { return strings.HasPrefix(name+"=", prefix) })
}

// lookUp returns the last value of a name, as getenv(3) does in a Go program.
func lookUp(env []string, name string) (value string, found bool) {
	for _, v := range slices.Backward(env) {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value, true
		}
	}
	return "", false
}
