package cert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/handover/worker/wire"
)

// hosts says for every name which pairs serve it, in order of preference.
func hosts(list []*accepted, now time.Time) []wire.Host {
	type claim struct {
		name string
		pair int
	}
	var claims []claim
	for i, a := range list {
		for _, name := range a.Names {
			claims = append(claims, claim{strings.ToLower(name), i})
		}
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.pair, b.pair))
	})
	claims = slices.Compact(claims) // a leaf may bear a name twice
	indexes := make([]int, len(claims))
	all := make([]wire.Host, 0, len(claims))
	for i := 0; i < len(claims); {
		first, name := i, claims[i].name
		for ; i < len(claims) && claims[i].name == name; i++ {
			indexes[i] = claims[i].pair
		}
		all = append(all, wire.Host{Name: name, Pairs: prefer(list, indexes[first:i:i], now)})
	}
	return all
}

// prefer puts pairs for one name in order. Among those with the same kind of key
// the one that ends later comes first: clients can use both, and the other is
// most likely a leftover. Kinds keep the order of the configuration, and whatever
// its kind, what has expired or is not valid yet comes last.
func prefer(list []*accepted, pairs []int, now time.Time) []int {
	if len(pairs) == 1 {
		return pairs
	}
	kinds := map[string][]int{}
	for _, i := range pairs {
		kinds[list[i].KeyKind] = append(kinds[list[i].KeyKind], i)
	}
	for _, of := range kinds {
		slices.SortStableFunc(of, func(i, j int) int { return list[j].NotAfter.Compare(list[i].NotAfter) })
	}
	ordered := make([]int, len(pairs))
	for at, i := range pairs {
		kind := list[i].KeyKind
		ordered[at], kinds[kind] = kinds[kind][0], kinds[kind][1:]
	}
	slices.SortStableFunc(ordered, func(i, j int) int { return cmp.Compare(list[i].invalid(now), list[j].invalid(now)) })
	return ordered
}

// invalid is 0 while the pair is valid, 1 before that, 2 after it.
func (a *accepted) invalid(now time.Time) int {
	switch {
	case now.After(a.NotAfter):
		return 2
	case now.Before(a.NotBefore):
		return 1
	}
	return 0
}

// rivals is two pairs with the same kind of key for the same names.
type rivals struct{ first, second int }

// duplicates finds pairs that are for the same name and with the same kind of
// key: only the first of them is ever served for it.
func duplicates(list []*accepted, all []wire.Host, now time.Time) map[int][]problem {
	shared := map[rivals][]string{}
	for _, h := range all {
		if len(h.Pairs) == 1 {
			continue
		}
		first := map[string]int{}
		for _, i := range h.Pairs {
			winner, taken := first[list[i].KeyKind]
			if !taken {
				first[list[i].KeyKind] = i
				continue
			}
			of := rivals{winner, i}
			shared[of] = append(shared[of], h.Name)
		}
	}
	found := map[int][]problem{}
	for _, of := range slices.SortedFunc(maps.Keys(shared), func(a, b rivals) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.first, b.first))
	}) {
		found[of.second] = append(found[of.second], duplicate(list[of.first], list[of.second], shared[of], now))
	}
	return found
}

func duplicate(first, second *accepted, names []string, now time.Time) problem {
	why := "it ends later"
	switch {
	case first.invalid(now) == 0 && second.invalid(now) == 1:
		why = "the other is not valid yet"
	case first.NotAfter.Equal(second.NotAfter):
		why = "both end at the same time, and it stands first in the configuration"
	}
	called := func(a *accepted) string {
		if a.Source == "" {
			return "a self-signed certificate"
		}
		return fmt.Sprintf("%q", a.Source)
	}
	return problem{
		file: second.Source,
		message: fmt.Sprintf("%s and %s are both for %s with a key of the same kind (%s): the former is served, for %s",
			called(first), called(second), quoted(names), first.KeyKind, why),
		hint: fmt.Sprintf("take one of the two out of the configuration or its folder, unless both are wanted for the time of a change: %s is served for none of these names",
			called(second)),
	}
}
