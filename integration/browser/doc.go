// Package browser looks at the status page as a person does: in Chromium, with a
// mouse, a keyboard or a screen reader, on a phone, in the dark and without
// JavaScript.
//
// It promises that no Chromium outlives a test: each runs in a session of its own
// that the undertaker knows.
//
// With HANDOVER_SCREENSHOTS set to a folder it leaves there what it has seen.
package browser
