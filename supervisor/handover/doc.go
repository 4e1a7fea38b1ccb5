// Package handover decides how one generation follows another: the life of a
// master as a state machine, from its boot under a predecessor to the moment it
// leaves to a successor.
//
// It is pure: events in, actions out, no clock, no process, no goroutine. It
// promises that a reload asked for while another runs is neither dropped nor
// doubled, and that nothing but a proved generation is ever released.
//
// The table, generated from its one declaration:
//
//	booting    proved           → waiting    declare ready
//	booting    boot failed      → left       abandon
//	booting    stop asked       → left       abandon
//	booting    leave asked      → left       abandon
//	waiting    parent gone      → cutover    release
//	waiting    stop asked       → stopping   drain
//	waiting    leave asked      → lingering  linger
//	cutover    cut over         → active     conclude
//	cutover    reload asked     → cutover    remember
//	cutover    stop asked       → stopping   drain
//	cutover    leave asked      → lingering  linger
//	active     reload asked     → checking   check
//	active     rotate asked     → rotating   rotate
//	active     stop asked       → stopping   drain
//	active     leave asked      → lingering  linger
//	checking   reload asked     → checking   remember
//	checking   accepted         → upgrading  upgrade
//	checking   refused          → active     conclude
//	checking   stop asked       → stopping   drain
//	checking   leave asked      → lingering  linger
//	upgrading  reload asked     → upgrading  remember
//	upgrading  upgraded         → left       hand on
//	upgrading  upgrade failed   → active     conclude
//	upgrading  stop asked       → stopping   cancel upgrade, drain
//	upgrading  leave asked      → lingering  cancel upgrade, linger
//	rotating   reload asked     → rotating   remember
//	rotating   rotated          → active     conclude
//	rotating   stop asked       → stopping   drain
//	rotating   leave asked      → lingering  linger
//	lingering  parent gone      → lingering  release, linger
//	lingering  upgraded         → left       hand on
//	lingering  stop asked       → stopping   drain
//	stopping   upgraded         → left       hand on
//	stopping   stop asked       → stopping   hasten
//	stopping   drained          → left       exit
package handover
