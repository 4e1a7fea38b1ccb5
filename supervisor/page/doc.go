// Package page shows a status to a person with a browser: a page that is complete
// as it arrives, and the parts of it that change while somebody looks.
//
// It is a pure mapping: a status and the time in, HTML out. It promises that
// whatever others wrote (names in certificates, paths, last words of workers) is
// text and never markup, that the page asks for nothing from anywhere else, that
// it is as good on a phone, in the dark, with a keyboard, with a screen reader and
// without JavaScript, and that its size is bounded, however many certificates
// there are. It refuses to change anything: there is no button and no form, since
// whoever gets to the address may read, and nobody has said who they are.
//
// # Why
//
// Why the server renders what changes, and the browser does not: what a state
// means is then said once, and a page without JavaScript says the same.
//
// Why bars are drawn in SVG: the page allows no style but its own file, and a
// width is an attribute there.
//
// Why the live region holds one sentence without a number that ticks: it is read
// aloud at each change.
//
// Why any name in Host is answered: a proxy, a tunnel and a cluster each call the
// address by a name of their own, and a list of them would be one more thing to be
// wrong. So a page from elsewhere, in a browser that can reach the address, may have
// its own name resolve to it (DNS rebinding) and read, but not change, what is here
// and in the metrics. Who minds has the address be a unix socket, or has a proxy ask
// who comes.
//
// Why it has no build step: a stylesheet and a hundred lines of script are read
// as they lie here.
package page
