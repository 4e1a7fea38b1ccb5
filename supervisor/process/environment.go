package process

import "strings"

// misleading are the variables that a program must not inherit from a
// supervisor: it would take tableflip's, systemd's or our own for its.
var misleading = []string{"TABLEFLIP_", "HANDOVER_", "LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "MAINPID="}

// Environment is own less what would mislead a program that is started.
func Environment(own []string) []string {
	env := make([]string, 0, len(own)+4)
	for _, v := range own {
		keep := true
		for _, prefix := range misleading {
			keep = keep && !strings.HasPrefix(v, prefix)
		}
		if keep {
			env = append(env, v)
		}
	}
	return env
}
