// Machine is the first process of a machine that a test boots: it lays out a
// root folder that vanishes with it, and becomes the systemd that lies there.
//
//	machine LOWER SCRATCH SHARED
//
// LOWER is the root folder to boot, which stays as it is; SCRATCH an empty folder
// to work in; SHARED a folder that is seen inside under the same path. It must be
// started with mount, process, host name and ipc namespaces of its own, inside
// the cgroup that is to be the machine's whole tree.
package main
