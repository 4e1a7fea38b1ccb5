package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(126)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if _, err := fmt.Fprint(os.NewFile(3, "peak"), usage.Maxrss<<10); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(126)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}
