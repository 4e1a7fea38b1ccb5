// Package manual writes handover(1), the manual page, as roff.
//
// It owns the sections that man-pages(7) asks for and what can be said of the
// program in none of its tables. It promises that everything else comes from
// where it is defined: commands and flags from their outline, signals from their
// table, keys from the example file; and that neither groff nor mandoc finds
// anything to warn of. It refuses to read files or the clock.
package manual
