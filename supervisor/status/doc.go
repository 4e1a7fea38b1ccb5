// Package status holds what the supervisor says about itself: the JSON of
// "handover status", of "handover reload --json" and of the control socket.
//
// Others script against these names: fields are only ever added.
package status
