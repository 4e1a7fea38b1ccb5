package cert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"example.com/handover/supervisor/status"
)

// verdict is what the checks say of one candidate.
type verdict struct {
	checks  []status.Check
	hushed  int  // infos that were found besides
	refused bool // at least one finding refuses
	torn    bool // a writer at work explains a finding
	final   bool // something refuses that a writer does not explain
	stuck   bool // the checks came to no end

	lasting []status.Check // those of checks that hang on the bytes alone
	excused bool           // one of these would refuse, were it not allowed this once
}

// undecided is the problem of a check that came to no end. Unknown is not good:
// it refuses, and neither moving nor allowing the check makes that otherwise.
func undecided(c *candidate, err error) problem {
	return problem{
		file:    c.path(),
		message: fmt.Sprintf("this could not be decided for %s: %q", c.subject(), err.Error()),
		hint:    fmt.Sprintf("no client has use for a certificate that takes longer than %v to judge: have it issued anew", cryptoLimit),
	}
}

// row returns the row of a check.
func row(name string) check {
	i := slices.IndexFunc(table, func(k check) bool { return k.name == name })
	if i < 0 {
		panic(fmt.Sprintf("BUG: no check %q in the table", name))
	}
	return table[i]
}

// lasting says whether what k finds hangs on the bytes of a pair alone: not on
// the clock, the configuration, the files' owners and modes, or what is served.
func (k check) lasting() bool {
	switch k.name {
	case "chain.incomplete", "chain.issuer_changed", "chain.expired", "chain.expires_first", "chain.untrusted":
		return false
	}
	switch family, _, _ := strings.Cut(k.name, "."); family {
	case "file", "time", "clock", "name", "change":
		return false
	}
	return true
}

// judge runs every check over c.
func judge(ctx context.Context, c *candidate, moved map[string]string, allow []string) verdict {
	return judgeBy(ctx, table, c, moved, allow)
}

// judgeBy runs some checks over c: all that look, then those that prove. A look
// may never end, so all of them run in a goroutine that can be left behind, but for a
// pair that is known.
func judgeBy(ctx context.Context, rows []check, c *candidate, moved map[string]string, allow []string) verdict {
	j := &judgement{c: c, moved: moved, allow: allow, at: rows[0]}
	_, err := once(ctx, c.known, func() (struct{}, error) {
		for _, k := range rows {
			j.look(k)
		}
		return struct{}{}, nil
	})
	if err == nil {
		err = ctx.Err()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over = true; err != nil {
		return j.end(err)
	}
	for _, k := range rows {
		severity := k.weigh(moved, allow)
		if k.prove != nil && !j.broken && severity != off && c.known == nil {
			j.note(k, severity, k.prove(ctx, c))
		}
	}
	return j.verdict
}

// judgement is a verdict that is being reached.
type judgement struct {
	c     *candidate
	moved map[string]string
	allow []string

	mu            sync.Mutex
	verdict       verdict
	at            check // that is being run
	broken, mixed bool  // a fixed check found something; something that a writer explains
	over          bool  // nobody waits for the rest
}

func (j *judgement) look(k check) {
	severity := k.weigh(j.moved, j.allow)
	if severity == off || k.look == nil {
		return
	}
	if j.c.known != nil && k.lasting() {
		j.recall(k)
		return
	}
	j.mu.Lock()
	j.at = k
	j.mu.Unlock()
	found := k.look(j.c)
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.over {
		j.note(k, severity, found)
	}
}

// recall repeats what k found when the same bytes were proven.
func (j *judgement) recall(k check) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, found := range j.c.known.Found {
		if found.Name == k.name {
			found.Certificate = j.c.name // the configuration may call it otherwise now
			j.verdict.checks = append(j.verdict.checks, found)
			j.verdict.lasting = append(j.verdict.lasting, found)
		}
	}
}

func (j *judgement) note(k check, severity string, found []problem) {
	v := &j.verdict
	j.broken = j.broken || k.fixed && len(found) > 0
	for _, p := range found {
		severity := p.weigh(severity)
		v.add(k.name, severity, j.c.name, p)
		// A new key beside the old certificate: that the old one has expired
		// says nothing about the pair that is being written.
		j.mixed = j.mixed || k.fixed && p.torn
		v.final = v.final || severity == refuse && !p.torn && (k.fixed || !j.mixed)
		if k.lasting() {
			v.lasting = append(v.lasting, v.checks[len(v.checks)-1])
			v.excused = v.excused || severity != refuse && k.weigh(j.moved, nil) == refuse
		}
	}
}

// end is the verdict when the checks came to no end, by the one that did not.
func (j *judgement) end(err error) verdict {
	v := j.verdict
	v.checks = slices.Clone(v.checks)
	if !j.broken { // else what used the time up has been said
		v.add(j.at.name, refuse, j.c.name, undecided(j.c, err))
	}
	v.final, v.stuck = true, true
	return v
}

func (v *verdict) add(check, severity, certificate string, p problem) {
	v.torn = v.torn || p.torn
	v.refused = v.refused || severity == refuse
	v.checks = append(v.checks, status.Check{
		Name: check, Severity: severity, Certificate: certificate,
		File: p.file, Message: p.message, Hint: p.hint, Until: p.until,
	})
}
