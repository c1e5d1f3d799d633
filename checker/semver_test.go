package checker

import "testing"

func TestConstraintsCoverVersions(t *testing.T) {
	for name, tc := range map[string]struct {
		constraint, version string
		want                bool
	}{
		"a bare version is itself":                    {"1.2.3", "1.2.3", true},
		"build data does not count":                   {"=1.2.3", "1.2.3+b7", true},
		"a short version is its whole line":           {"1.2", "1.2.9", true},
		"and not the next":                            {"1.2", "1.3.0", false},
		"a wildcard line":                             {"1.x", "1.9.9", true},
		"a star is everything":                        {"*", "0.0.1-a", true},
		"at least":                                    {">=2.0", "2.0.0", true},
		"below a short version is below its line":     {"<3", "3.0.0-beta", false},
		"below a whole version is by precedence":      {"<3.0.0", "3.0.0-beta", true},
		"above a short version is above its line":     {">1.2", "1.2.7", false},
		"up to a line":                                {"<=2.1", "2.1.99", true},
		"not equal":                                   {"!=2.1.0", "2.1.0", false},
		"two comparators are both held":               {">=1.0 <2.0", "2.1.0", false},
		"commas join too":                             {">=1.0, <2.0", "1.5.0", true},
		"alternatives":                                {"1.x || 3.x", "3.4.0", true},
		"caret keeps the first number that is not 0":  {"^0.2.3", "0.3.0", false},
		"caret up to the next major":                  {"^1.2.3", "1.99.0", true},
		"caret excludes the next major's betas":       {"^1.2.3", "2.0.0-rc.1", false},
		"tilde keeps the minor":                       {"~1.2.3", "1.3.0", false},
		"tilde on a major keeps the major":            {"~1", "1.9.0", true},
		"a hyphen range has both ends":                {"1.2 - 2.3", "2.3.9", true},
		"and ends after them":                         {"1.2.0 - 2.3.4", "2.3.5", false},
		"a leading v":                                 {">=v2", "v2.5.0", true},
		"a short asked version":                       {"^2", "2", true},
		"numeric pre-releases order as numbers":       {">1.0.0-rc.9", "1.0.0-rc.10", true},
		"words come after numbers":                    {">1.0.0-9", "1.0.0-alpha", true},
		"more identifiers come later":                 {">1.0.0-rc", "1.0.0-rc.1", true},
		"a release comes after its pre-releases":      {">1.0.0-rc", "1.0.0", true},
		"hexadecimal-like identifiers are only words": {"=1.0.0-0x1", "1.0.0-0x1", true},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := readVersion([]byte(tc.version))
			if err != nil {
				t.Fatal(err)
			}
			got, err := matchVersions([]byte(tc.constraint), &v)
			if err != nil || got != tc.want {
				t.Errorf("%q on %q: got %v, %v, want %v", tc.constraint, tc.version, got, err, tc.want)
			}
		})
	}
}

func TestMalformedConstraintsAreRefused(t *testing.T) {
	for _, c := range []string{"", " ", ">=", "1.2.3.4", "01.2", "1.x.3", "^^1", "1 ||", "|| 1", ">=1,", "latest",
		"1.2-beta", "1.0.0-", "1.0.0-01", "1.0.0+", "- 2", "1 - >2", "999999999999999999999"} {
		if err := CheckVersions(c); err == nil {
			t.Errorf("%q was taken", c)
		}
	}
	if err := CheckVersions(">=2.0 <4"); err != nil {
		t.Error(err)
	}
}

func TestAskedVersionsAreChecked(t *testing.T) {
	for text, want := range map[string]bool{"1.2.3": true, "v2": true, "2.1": true, "1.2.3-a.b+c": true,
		"": false, "x": false, "*": false, "1.x": true, "1..2": false, "banana": false} {
		if got := ValidVersion([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
