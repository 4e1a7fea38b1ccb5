package command

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Version returns the version of this program: the one that was linked in, else
// the one that the go command recorded.
func Version(linked string) string {
	build, ok := debug.ReadBuildInfo()
	if linked != "" || !ok {
		return cmp.Or(linked, "unknown")
	}
	return cmp.Or(build.Main.Version, "unknown")
}

// PrintVersion prints the versions that matter in a report of a problem.
func PrintVersion(w io.Writer, linked string) error {
	const heart = "github.com/cloudflare/tableflip"
	tableflip := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, d := range build.Deps {
			if d.Path == heart {
				tableflip = d.Version
			}
		}
	}
	_, err := fmt.Fprintf(w, "handover %s\n%s %s/%s\ntableflip %s\n", Version(linked), runtime.Version(), runtime.GOOS, runtime.GOARCH, tableflip)
	return err
}
