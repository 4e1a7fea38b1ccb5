// Package managers boots real service managers for the tests that run the
// program under them.
//
// A Machine is a systemd that is process 1 of namespaces of its own: processes,
// mounts, cgroups, host name, ipc. It boots in half a second what lies in a root
// folder, the host's own for the distribution's release, below a layer of memory
// that takes every change. The network is the host's, so that addresses and clients
// of package harness reach what runs inside, and so is the folder of the test
// process, binaries included, under the same path.
//
// It promises that nothing outlives a test: a machine's processes are killed by
// the end of its first one, its mounts go with its namespace, and its cgroup is
// ended by the test or, after a panic or a timeout, by the undertaker.
//
// The other managers, the inits of containers, and containers themselves run in a
// ward of package harness: namespaces without a systemd, on the files of the
// machine or on a folder made from a Dockerfile. The recipes that run there lie
// beside this folder, in docker and kubernetes.
//
// It needs root, and a mount of cgroup2, with controllers or without.
package managers
