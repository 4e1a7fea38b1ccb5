package config

import (
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxWorkers = 1024
	// maxDuration keeps the sums of durations, which other packages form, far
	// from the end of time.Duration.
	maxDuration = 30 * 24 * time.Hour
	// shortestTimeout leaves room for two heartbeats.
	shortestTimeout = 2 * time.Second
	smallestMemory  = Size(16 << 20)
	smallestHeader  = 1 << 10
	largestHeader   = 16 << 20
	fewestFiles     = 64
)

// check validates every value, and completes those that depend on others or on
// the machine: paths, the command, names.
func (r *reader) check(c *Config) {
	if _, said := r.lines["keepalive_grace"]; !said && c.GracefulTimeout > 0 {
		c.KeepaliveGrace = min(c.KeepaliveGrace, c.GracefulTimeout) // nobody asked for the default
	}
	r.numbers(c)
	r.durations(c)
	r.limits(c.Limits)
	r.mask(c.Umask)
	r.healthPath(c.HealthPath)
	r.path("pidfile", &c.PidFile)
	r.account(c)
	r.listeners(c)
	r.certificates(c.Certificate)
	r.tls(&c.TLS)
	r.app(&c.App)
	r.path("log.file", &c.Log.File)
	if c.Log.Access != "-" {
		r.path("log.access", &c.Log.Access)
	}
	r.oneOf("log.format", c.Log.Format, "auto", "text", "json")
	r.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.hooks("hooks.done", c.Hooks.Done)
	r.hooks("hooks.refused", c.Hooks.Refused)
	r.hooks("hooks.expiring", c.Hooks.Expiring)
	r.state(c)
	r.collisions(c)
}

func (r *reader) oneOf(key, value string, words ...string) {
	if !slices.Contains(words, value) {
		r.report(key, meant(value, words), "key %q: found %q, expected %s", key, value, either(words))
	}
}

func (r *reader) numbers(c *Config) {
	if c.Workers < 0 || c.Workers > maxWorkers {
		r.report("workers", "0 stands for one per CPU",
			"key %q: found %d, expected 0 to %d", "workers", c.Workers, maxWorkers)
	}
	for key, n := range map[string]int{"max_requests": c.MaxRequests, "max_requests_jitter": c.MaxJitter} {
		if n < 0 {
			r.report(key, "", "key %q: found %d, expected 0 (never) or more", key, n)
		}
	}
	if c.MaxJitter > 0 && c.MaxRequests == 0 && !r.broken("max_requests") {
		r.report("max_requests_jitter", "set max_requests, or leave this out",
			"key %q: found %d without max_requests, to which it is added", "max_requests_jitter", c.MaxJitter)
	}
	if c.MaxMemory > 0 && c.MaxMemory < smallestMemory {
		r.report("max_memory", "", "key %q: found %s, expected at least %s: a worker needs that to start", "max_memory", c.MaxMemory, smallestMemory)
	}
	if c.MaxDraining < 1 {
		r.report("max_draining", "", "key %q: found %d, expected 1 or more", "max_draining", c.MaxDraining)
	}
}

func (r *reader) durations(c *Config) {
	positive := map[string]time.Duration{"boot_timeout": c.BootTimeout, "graceful_timeout": c.GracefulTimeout}
	for key, d := range positive {
		if d <= 0 {
			r.report(key, "", `key %q: found %s, expected more than 0s, such as "30s"`, key, d)
		}
	}
	for key, d := range map[string]time.Duration{"keepalive_grace": c.KeepaliveGrace, "timeout": c.Timeout, "shutdown_delay": c.ShutdownDelay} {
		if d < 0 {
			r.report(key, "", `key %q: found %s, expected 0s or more, such as "5s"`, key, d)
		}
	}
	if c.Timeout > 0 && c.Timeout < shortestTimeout {
		r.report("timeout", "", "key %q: found %s, expected 0s (never) or at least %s: a sign of life comes once a second", "timeout", c.Timeout, shortestTimeout)
	}
	for key, d := range map[string]time.Duration{
		"boot_timeout": c.BootTimeout, "graceful_timeout": c.GracefulTimeout, "keepalive_grace": c.KeepaliveGrace,
		"timeout": c.Timeout, "shutdown_delay": c.ShutdownDelay,
	} {
		if d > maxDuration {
			r.report(key, "", "key %q: found %s, expected at most %s", key, d, maxDuration)
		}
	}
	if c.KeepaliveGrace > c.GracefulTimeout && c.GracefulTimeout > 0 && !r.broken("graceful_timeout") {
		r.report("keepalive_grace", "it is a part of graceful_timeout: make one shorter or the other longer",
			"key %q: found %s, expected at most graceful_timeout, which is %s", "keepalive_grace", c.KeepaliveGrace, c.GracefulTimeout)
	}
}

// limits checks what clients are held to.
func (r *reader) limits(l Limits) {
	for key, d := range map[string]time.Duration{"handshake": l.Handshake, "header": l.Header, "idle": l.Idle} {
		if d <= 0 || d > maxDuration {
			r.report("limits."+key, "", "key %q: found %s, expected more than 0s and at most %s", "limits."+key, d, maxDuration)
		}
	}
	if l.Body < 0 || l.Body > maxDuration {
		r.report("limits.body", "", "key %q: found %s, expected 0s (for ever) to %s", "limits.body", l.Body, maxDuration)
	}
	if l.HeaderSize < smallestHeader || l.HeaderSize > largestHeader {
		r.report("limits.header_size", "", "key %q: found %s, expected %s to %s", "limits.header_size", l.HeaderSize, Size(smallestHeader), Size(largestHeader))
	}
	if l.Connections < 0 {
		r.report("limits.connections", "", "key %q: found %d, expected 0 (as many as descriptors allow) or more", "limits.connections", l.Connections)
	}
	if l.Files != 0 && l.Files < fewestFiles {
		r.report("limits.files", "", "key %q: found %d, expected 0 (as many as the system allows) or at least %d", "limits.files", l.Files, fewestFiles)
	}
}

func (r *reader) mask(text string) {
	if text == "" {
		return
	}
	if n, err := strconv.ParseUint(text, 8, 32); err != nil || n > 0o777 {
		r.report("umask", "", `key %q: found %q, expected an octal mask such as "0027"`, "umask", text)
	}
}

func (r *reader) healthPath(path string) {
	if path == "" {
		return
	}
	_, err := url.ParseRequestURI(path)
	if err != nil || path[0] != '/' || strings.ContainsAny(path, " #") {
		r.report("health_path", "", `key %q: found %q, expected a path such as "/healthz"`, "health_path", path)
	}
}

// state checks where previous certificates are kept, and what for.
func (r *reader) state(c *Config) {
	r.path("state_dir", &c.StateDir)
	if info, err := os.Stat(c.StateDir); err == nil && !info.IsDir() {
		r.report("state_dir", "", "key %q: found %q, expected a directory, or nothing there yet: not a directory", "state_dir", c.StateDir)
	}
	r.oneOf("on_bad_start", c.OnBadStart, "exit", "last_good")
	if c.OnBadStart == "last_good" && c.StateDir == "" && !r.broken("state_dir") {
		r.report("on_bad_start", `set state_dir, such as "/var/lib/handover"`,
			"key %q: found %q without state_dir, expected a folder that keeps the last good certificates", "on_bad_start", c.OnBadStart)
	}
}

// hooks checks command lines, which are the shell's to understand.
func (r *reader) hooks(key string, lines []string) {
	for i, line := range lines {
		at := index(key, i)
		switch {
		case strings.TrimSpace(line) == "":
			r.report(at, "leave it out", "key %q: found %q, expected a command line", at, line)
		case strings.ContainsRune(line, 0):
			r.report(at, "", "key %q: found %q, expected a command line: it holds a zero byte", at, line)
		}
	}
}
