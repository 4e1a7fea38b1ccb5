// Package cgroup reads what the control group of this process says of its
// memory: how much it may have, and how many of its processes were killed for
// want of it.
//
// It owns nothing and promises only to read, of both versions of cgroups and of a
// machine that has the two side by side. It refuses to guess: what is not
// mounted, not readable or not limited is said to be unknown.
package cgroup
