// Package watch says that files may have changed.
//
// It owns the inotify watches and the poll under them. It promises that no
// change is missed for longer than the poll's interval, that one which inotify
// sees is signalled at once, that neither reading a file nor what happens beside
// it signals anything, and that a storm of events costs bounded work. It refuses
// to say what has changed, or whether what lies there now is any good.
//
// # Why directories, and every link
//
// A file that is replaced by a rename takes its watch along into oblivion, so
// the directory is watched. A path that leads through links changes when any of
// them does: certbot switches the last one, Kubernetes one in the middle. So for
// each path the directory of every link in it is watched, that of the file at
// its end and, where there is none yet, the last directory that exists. After
// every event the path is followed anew.
//
// # Why a poll as well
//
// inotify has limits for users that other programs reach, it says nothing about
// network file systems, and a file that is mounted alone (a single-file bind
// mount) changes in a directory that cannot be seen from here. A directory high
// up in a path that is renamed is not seen either: to watch all of them would
// mean to wake up for whatever happens in /.
package watch
