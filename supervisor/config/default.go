package config

import "time"

// Default returns what is served without a config file: https on the loopback
// address, a self-signed certificate and the welcome page.
func Default() *Config {
	c := base()
	c.complete()
	return c
}

// base is Default without its listener and its certificate, which a file
// replaces and does not add to.
func base() *Config {
	return &Config{
		BootTimeout:     30 * time.Second,
		Timeout:         30 * time.Second,
		KeepaliveGrace:  5 * time.Second,
		GracefulTimeout: 30 * time.Second,
		MaxDraining:     5,
		OnBadStart:      "exit",
		TLS:             TLS{MinVersion: "1.2", Reload: "signal", SNI: "lenient", Verify: "off", Tickets: 12 * time.Hour},
		Limits: Limits{
			Handshake: 10 * time.Second, Header: 30 * time.Second, Body: time.Minute, Idle: 2 * time.Minute, HeaderSize: 64 << 10,
		},
		Log: Log{Format: "auto", Level: "info"},
	}
}

// complete adds the default listener and certificate where none is given.
func (c *Config) complete() {
	if len(c.Listen) == 0 {
		l := blankListen()
		l.Address = "127.0.0.1:8443"
		c.Listen = []Listen{l}
	}
	if len(c.Certificate) == 0 && c.encrypts() {
		c.Certificate = []Certificate{{
			Name:       "localhost",
			SelfSigned: []string{"localhost", "127.0.0.1", "::1"},
		}}
	}
}

// blankListen is a [[listen]] before its keys are read.
func blankListen() Listen { return Listen{TLS: true, Mode: "0660"} }

// encrypts says whether some listener has tls.
func (c *Config) encrypts() bool {
	for _, l := range c.Listen {
		if l.TLS {
			return true
		}
	}
	return false
}
