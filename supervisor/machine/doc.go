// Package machine holds transition tables: for every state and every event one
// cell, declared as data, from which the next state, the actions and the diagram
// in a package's documentation derive.
//
// It is pure. It promises that a table is total: Missing names the cells that
// nobody thought of, and a test of every table demands that there are none.
package machine
