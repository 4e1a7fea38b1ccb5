// Container does what an engine's runtime does between the fork of a container's
// PID 1 and the first instruction of the image: it makes a folder the root, with
// /proc, a /dev of few files and the mounts that it is told of, gives up rights,
// and executes the command. It runs as PID 1 of new PID and mount namespaces.
//
//	container -root DIR [-read-only] [-tmpfs PATH]… [-bind FROM:TO]… [-user N] [-group N]
//	          [-groups N,…] [-env NAME=VALUE]… [-cap-drop-all] [-no-new-privileges]
//	          [-seccomp FILE] -- COMMAND ARG…
//
// Of its own environment nothing goes along; PATH is what engines make it.
package main
