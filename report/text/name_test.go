package text_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"pushpull/report/text"
)

func TestName(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"", ""},
		{"after the change", "after the change"},
		{"short-poll@5s", "short-poll@5s"},
		{"日本 é 👩", "日本 é 👩"},
		{"e\u0301t\u0301", "e\u0301t\u0301"},
		{"\x1b[2Jlong\npoll", "[U+001B][2Jlong[U+000A]poll"},
		{"evil\u202egnp", "evil[U+202E]gnp"},
		{"zero\u200bwidth", "zero[U+200B]width"},
		{"\u202e\u2066a", "[U+202E 2066]a"},
		{"joined👩\u200d👩", "joined👩[U+200D]👩"},
		{"❤\ufe0f", "❤[U+FE0F]"},
		{"filler\u3164", "filler[U+3164]"},
		{"blank\u2800", "blank[U+2800]"},
		{"hard\u00a0space", "hard[U+00A0]space"},
		{"\u0301accent", "[U+0301]accent"},
		{"an \u0301accent", "an [U+0301]accent"},
		{" chat", "[U+0020]chat"},
		{"chat ", "chat[U+0020]"},
		{"a  b", "a [U+0020]b"},
		{"a\xffb\xfe", "a[xFF]b[xFE]"},
		{"\ufffd", "\ufffd"},
		{"[U+202E]", "[U+005B]U+202E]"},
		{"[U+202E 200B]", "[U+005B]U+202E 200B]"},
		{"[xFF]", "[U+005B]xFF]"},
		{"[U+202e] [a] [U+]", "[U+202e] [a] [U+]"},
	} {
		got := text.Name(test.name)
		if got != test.want {
			t.Errorf("Name(%q) is %q, want %q", test.name, got, test.want)
		}
		if text.Clean(got) != got {
			t.Errorf("Name(%q) is %q, which can't be printed", test.name, got)
		}
	}
}

// TestNamesStayDifferent draws names of the pieces that could be mistaken for one another.
func TestNamesStayDifferent(t *testing.T) {
	pieces := []string{
		"a", " ", "[", "]", "U+", "x", "FF", "0301", "202E", "65E5", "005B", "\n", "\x1b", "\xff", "\xe6", "\u202e",
		"\u0301", "\u200b", "\ufe0f", "\u3164", "日", "本", "👩", "é", "[U+65E5]", "[U+65E5 672C]", "[xFF]", "\ufffd",
	}
	ascii := func(r rune) bool { return r > unicode.MaxASCII }
	random := rand.New(rand.NewPCG(1, 2))
	names, spelled := map[string]string{}, map[string]string{}
	for range 200_000 {
		var name strings.Builder
		for range random.IntN(6) {
			name.WriteString(pieces[random.IntN(len(pieces))])
		}
		shown := text.Name(name.String())
		drawn := text.Spell(shown, ascii)
		if other, met := names[shown]; met && other != name.String() {
			t.Fatalf("%q and %q are both shown as %q", other, name.String(), shown)
		}
		if other, met := spelled[drawn]; met && other != name.String() {
			t.Fatalf("%q and %q are both spelled %q", other, name.String(), drawn)
		}
		names[shown], spelled[drawn] = name.String(), name.String()
	}
}

func FuzzName(f *testing.F) {
	f.Add("a\xff", "[xFF]")
	f.Add("[U+65E5]", "日")
	f.Fuzz(func(t *testing.T, a, b string) {
		shownA, shownB := text.Name(a), text.Name(b)
		if (a == b) != (shownA == shownB) {
			t.Errorf("%q is shown as %q, %q as %q", a, shownA, b, shownB)
		}
		if text.Clean(shownA) != shownA {
			t.Errorf("%q is shown as %q, which can't be printed", a, shownA)
		}
	})
}

func TestSpell(t *testing.T) {
	ascii := func(r rune) bool { return r > unicode.MaxASCII }
	for _, test := range []struct{ name, want string }{
		{"plain", "plain"},
		{"日本 v2", "[U+65E5 672C] v2"},
		{"a👩b", "a[U+1F469]b"},
		{"日\n本", "[U+65E5][U+000A][U+672C]"},
	} {
		if got := text.Spell(text.Name(test.name), ascii); got != test.want {
			t.Errorf("%q is spelled %q, want %q", test.name, got, test.want)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"café", "cafe\u0301", true},
		{"１", "1", true}, // a wide digit
		{"cafe", "café", false},
		{"日本", "中国", false},
		{"a\xff", "a\xfe", false},
	} {
		if got := text.Alike(test.a) == text.Alike(test.b); got != test.want {
			t.Errorf("%q and %q are alike: %t, want %t", test.a, test.b, got, test.want)
		}
	}
}

func TestWidth(t *testing.T) {
	for _, test := range []struct {
		s    string
		want int
	}{
		{"", 0},
		{"short-poll…", 11},
		{"日本", 4},
		{"한국", 4},
		{"\u1112\u1161\u11ab", 2}, // 한 in three parts
		{"ａ", 2},
		{"👩", 2},
		{"e\u0301", 1},
		{"µs ·", 4},
		{"שלום", 4},
	} {
		if got := text.Width(test.s); got != test.want {
			t.Errorf("Width(%q) is %d, want %d", test.s, got, test.want)
		}
	}
}
