package status

// The exit codes of all commands. They are those of sysexits(3) where it has
// one, so that RestartPreventExitStatus= of systemd can tell the lasting
// failures (64, 65, 78) from the others.
const (
	ExitDone       = 0
	ExitFailed     = 1
	ExitUsage      = 64
	ExitRefused    = 65 // by the checks of the certificates
	ExitNotRunning = 69
	ExitGeneration = 70 // the new generation could not be started
	ExitTimeout    = 75 // no outcome within the time given
	ExitConfig     = 78
)

// ExitCodes is the table as --help shows it.
const ExitCodes = `   0  done
   1  failed
  64  usage
  65  refused by the checks
  69  not running
  70  the new generation failed
  75  no outcome within the time given
  78  configuration error
`
