// Package site is what the Go servers of a measurement have in common, so that
// they differ in nothing but how they are run: the handler, and how a certificate
// is found for a name. It refuses to be clever: one map, filled at the start.
package site
