package cert

import (
	"context"
	"fmt"
)

// release makes a candidate of what c was rolled back to.
func release(ctx context.Context, c *candidate, h Held) *candidate {
	before := inspect(ctx, read(h.File, h.File))
	before.source, before.name, before.digest, before.held = c.source, c.name, c.digest, true
	return before
}

func changeHeld(c *candidate) []problem {
	if !c.held {
		return nil
	}
	since := "have not changed since"
	if c.digest == "" {
		since = "cannot be read"
	}
	return []problem{{
		file:    c.from(),
		message: fmt.Sprintf("%q was rolled back to what %q holds, and its own files %s", c.name, c.path(), since),
		hint:    "this ends by itself when its files change, as at the next renewal",
	}}
}
