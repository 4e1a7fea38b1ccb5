package manual

type term struct{ name, means string }

const description = `Handover keeps a network service running.
It holds the listening sockets and forks workers that serve on them;
on SIGHUP it checks configuration and certificates,
starts a fresh generation of workers from the binary on disk, has it prove itself,
and only then lets the old generation finish what it is answering and go.
No request is lost on the way, and a certificate that fails its checks is never served:
the serving generation goes on, and whoever asked is told what is wrong and how to mend it.

The process that was started keeps its PID for ever, so that every process manager can supervise it.`

const commands = `Every command takes -c FILE (--config FILE), after its name or before it, but for these: %s.
Without it the file is $HANDOVER_CONFIG, else ./config.toml if there is one, else built-in defaults.
Commands reach a running instance through the control socket that the same file names.
Every command takes --help.`

const onSignals = `To the process that was started, whose PID never changes:`

const onConfiguration = `The file is TOML.
These are all of its keys, each with its default or an example;
config.example.toml, which comes with the sources, has them as a file that runs as it stands.`

var environment = []term{
	{"HANDOVER_CONFIG", "The configuration file, where -c names none."},
	{"XDG_RUNTIME_DIR", "Where the control socket is by default, for users other than root."},
	{"TMPDIR", "Where it is if XDG_RUNTIME_DIR is not set."},
	{"NO_COLOR", "No colours if it is set to anything."},
	{"TERM", "No colours, and nothing redrawn in place, if it is dumb."},
	{"LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC", "As systemd sets them for a service: see sd_listen_fds(3) and sd_notify(3)."},
	{"SOURCE_DATE_EPOCH", "The date of this page, as man prints it."},
}

var files = []term{
	{"./config.toml", "The configuration, where neither -c nor HANDOVER_CONFIG names another."},
	{"/run/handover/", "Control sockets of instances that root runs, each named after its configuration file."},
	{"$XDG_RUNTIME_DIR/handover/, $TMPDIR/handover-UID/", "Control sockets of everybody else's."},
}

const examples = `A welcome page on https://127.0.0.1:8443, with built-in defaults:

  handover run

A service of one's own, and a new certificate for it:

  handover run -c /etc/handover/config.toml &
  handover check -c /etc/handover/config.toml && handover reload -c /etc/handover/config.toml

After each renewal, by the tool that renews:

  certbot renew --deploy-hook 'handover reload -c /etc/handover/config.toml'

What it is doing, as it happens:

  handover status --watch

This page, installed:

  handover man > /usr/local/share/man/man1/handover.1`

const seeAlso = `.BR kill (1),
.BR systemctl (1),
.BR systemd.service (5),
.BR signal (7)`
