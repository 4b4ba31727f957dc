package input

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The numbers of YAML 1.2, its core schema (section 10.3.2). Numbers of flags are the same. Neither
// has the octal 010, the binary 0b1 and the 1_000 of Go and of YAML 1.1.
var (
	decimal     = regexp.MustCompile(`^[-+]?[0-9]+$`)
	octal       = regexp.MustCompile(`^0o[0-7]+$`)
	hexadecimal = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	fraction    = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	infinite    = regexp.MustCompile(`^[-+]?\.(inf|Inf|INF)$`)
	noNumber    = regexp.MustCompile(`^\.(nan|NaN|NAN)$`)
	boolean     = regexp.MustCompile(`^(true|True|TRUE|false|False|FALSE)$`)
	nothing     = regexp.MustCompile(`^(null|Null|NULL|~|)$`)
)

// Errors of numbers. They say what a value must be and begin with no subject.
var (
	errBool    = errors.New("must be true or false")
	errWhole   = errors.New("must be a whole number, like 200")
	errNatural = errors.New("must be a whole number, 0 or more, like 200")
	errNumber  = errors.New("must be a number, like 0.25")
	errLarge   = errors.New("must be a number that a computer can hold")
	errTime    = errors.New("must be a time with its unit, like 500ms or 5s")
)

// IsText returns true if a scalar of YAML without quotes is a text, as its core schema says: not a
// number, a boolean or null.
func IsText(plain string) bool {
	for _, other := range []*regexp.Regexp{decimal, octal, hexadecimal, fraction, infinite, noNumber, boolean, nothing} {
		if other.MatchString(plain) {
			return false
		}
	}
	return true
}

// IsNull returns true if a scalar of YAML without quotes is null.
func IsNull(plain string) bool { return nothing.MatchString(plain) }

// digits returns the digits of a whole number, with its sign, and their base; ok is false if text is
// none.
func digits(text string) (number string, base int, ok bool) {
	switch {
	case decimal.MatchString(text):
		return text, 10, true
	case octal.MatchString(text):
		return text[2:], 8, true
	case hexadecimal.MatchString(text):
		return text[2:], 16, true
	}
	return "", 0, false
}

// Bool returns what true or false stand for.
func Bool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, errBool
	}
	return text == "true", nil
}

// Int returns the whole number that text spells: 0100 is 100, 0x64 is 100 too. Its error says what the
// value must be, as do those of Uint, Float and Duration.
func Int(text string) (int, error) {
	number, base, ok := digits(text)
	if !ok {
		return 0, errWhole
	}
	n, err := strconv.ParseInt(number, base, strconv.IntSize)
	if err != nil {
		return 0, errLarge
	}
	return int(n), nil
}

// Uint returns the whole number, 0 or more, that text spells.
func Uint(text string) (uint64, error) {
	number, base, ok := digits(text)
	if !ok || strings.HasPrefix(number, "-") && strings.Trim(number, "-0") != "" {
		return 0, errNatural
	}
	n, err := strconv.ParseUint(strings.TrimLeft(number, "+-"), base, 64)
	if err != nil {
		return 0, errLarge
	}
	return n, nil
}

// Float returns the number that text spells, which may be .inf or .nan.
func Float(text string) (float64, error) {
	switch {
	case infinite.MatchString(text), noNumber.MatchString(text):
		text = strings.Replace(text, ".", "", 1)
	case fraction.MatchString(text):
	default:
		n, err := Uint(text) // octal or hexadecimal
		if errors.Is(err, errNatural) {
			err = errNumber
		}
		return float64(n), err
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errLarge
	}
	return x, nil
}

// Duration returns the time that text spells, like 1m30s. 0 needs no unit.
func Duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errTime
	}
	return d, nil
}

// List returns the words of a list with commas, without the blanks around them. An empty text is an
// error: a list that a script left empty must not pass for one that wasn't given.
func List(text string) ([]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("must name one or more, or be left out")
	}
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			return nil, errors.New("must be a list like a,b,c without empty places")
		}
		words = append(words, word)
	}
	return words, nil
}
