package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
)

// profile is a file of the kind that Docker and containerd read, as far as it
// says what somebody without a capability may call.
type profile struct {
	Syscalls []struct {
		Names    []string
		Action   string
		ErrnoRet uint32
		Args     []struct {
			Index           uint32
			Value, ValueTwo uint64
			Op              string
		}
		Includes, Excludes struct{ Caps, Arches []string }
	}
}

// filter makes of a profile what the kernel holds this thread to, and whatever the
// thread executes.
func filter(file string) (*seccomp.Filter, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var p profile
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	known, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	policy, err := p.policy(known.SyscallNames)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	return &seccomp.Filter{Policy: policy}, nil
}

func (p *profile) policy(known map[string]int) (seccomp.Policy, error) {
	allow := seccomp.SyscallGroup{Action: seccomp.ActionAllow}
	others := []seccomp.SyscallGroup{}
	for _, s := range p.Syscalls {
		if len(s.Includes.Caps) > 0 || len(s.Includes.Arches) > 0 && !slices.Contains(s.Includes.Arches, runtime.GOARCH) {
			continue
		}
		names := slices.DeleteFunc(s.Names, func(name string) bool { _, found := known[name]; return !found })
		if s.Action == "SCMP_ACT_ERRNO" {
			others = append(others, seccomp.SyscallGroup{Names: names, Action: seccomp.ActionErrno | seccomp.Action(s.ErrnoRet)})
			continue
		}
		var conditions seccomp.ArgumentConditions
		for _, a := range s.Args {
			c := seccomp.Condition{Argument: a.Index, Value: a.Value}
			switch {
			case a.Op == "SCMP_CMP_LT":
				c.Operation = seccomp.LessThan
			case a.Op == "SCMP_CMP_EQ":
				c.Operation = seccomp.Equal
			case a.Op == "SCMP_CMP_MASKED_EQ" && a.ValueTwo == 0:
				c.Operation = seccomp.BitsNotSet
			default:
				return seccomp.Policy{}, fmt.Errorf("condition %q of %v is unknown here", a.Op, s.Names)
			}
			conditions = append(conditions, c)
		}
		if conditions == nil {
			allow.Names = append(allow.Names, names...)
			continue
		}
		for _, name := range names {
			allow.NamesWithCondtions = append(allow.NamesWithCondtions, seccomp.NameWithConditions{Name: name, Conditions: conditions})
		}
	}
	return seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: append([]seccomp.SyscallGroup{allow}, others...)}, nil
}
