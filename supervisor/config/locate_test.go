package config

import (
	"maps"
	"testing"
)

func TestLocateFindsTheLineOfEveryKey(t *testing.T) {
	t.Parallel()
	const text = "\ufeff# head\r\n" + // 1
		"a = 1 # [b]\n" + // 2
		"'lit\"eral' = \"x # = [y]\\\"\"\n" + // 3
		"d.o.\"t.s\" = '''\n" + // 4
		"[no]\n" + // 5
		"''''\n" + // 6
		"long = \"\"\"a\\\"\"\" \n" + // 7
		"b = 1\"\"\"\n" + // 8
		"list = [ 1, # ]\n" + // 9
		"  [\"]\", 2],\n" + // 10
		"  {x = 1979-05-27 07:32:00, y.z = [3]},\n" + // 11
		"]\n" + // 12
		"[ tab . le ]\n" + // 13
		"k = true\n" + // 14
		"[[arr]]\n" + // 15
		"k = {}\n" + // 16
		"[arr.sub]\n" + // 17
		"k = []\n" + // 18
		"[[arr]]\n" + // 19
		"[[arr.deep]]\n" + // 20
		"k = 1" // 21
	want := map[string]int{
		"a": 2, `"lit\"eral"`: 3, "d": 4, "d.o": 4, "d.o.'t.s'": 4, "long": 7,
		"list": 9, "list[0]": 9, "list[1]": 10, "list[1][0]": 10, "list[1][1]": 10,
		"list[2]": 11, "list[2].x": 11, "list[2].y": 11, "list[2].y.z": 11, "list[2].y.z[0]": 11,
		"tab": 13, "tab.le": 13, "tab.le.k": 14,
		"arr": 15, "arr[0]": 15, "arr[0].k": 16, "arr[0].sub": 17, "arr[0].sub.k": 18,
		"arr[1]": 19, "arr[1].deep": 20, "arr[1].deep[0]": 20, "arr[1].deep[0].k": 21,
	}
	got := locate(text)
	for path, line := range want {
		if got[path] != line {
			t.Errorf("%s: got line %d, want %d", path, got[path], line)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("got %v besides, want nothing else", maps.Clone(got))
	}
}

func TestLocateEndsOnTextThatIsNoTOML(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"=", "]", "[[", "a=[", "a={", "a=\"", "a='''", "a=\"\\", "a=[}", "a={]", ".", "\"", "a=\"\"\"\\"} {
		locate(text)
	}
}
