// Package config turns a TOML file into an immutable Config.
package config
