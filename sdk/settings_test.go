package sdk_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/schema"
)

// TestSettingsDecode goes from what a user writes to a layer's own struct.
func TestSettingsDecode(t *testing.T) {
	declared := []sdk.Setting{
		{Name: "url", Type: sdk.SettingString, Required: true},
		{Name: "retries", Type: sdk.SettingInteger, Default: 3},
		{Name: "ratio", Type: sdk.SettingNumber},
		{Name: "token", Type: sdk.SettingString, Sensitive: true},
		{Name: "hosts", Type: sdk.SettingStringList, Default: []string{"a"}},
		{Name: "pool", Type: sdk.SettingObject, Settings: []sdk.Setting{
			{Name: "size", Type: sdk.SettingInteger, Default: 8},
			{Name: "name", Type: sdk.SettingString},
		}},
	}
	type settings struct {
		URL     string
		Retries int
		Ratio   float64
		Token   sdk.Secret
		Hosts   []string
		Pool    struct {
			Size int
			Name string
		}
	}
	object, problems := schema.Parse(
		[]byte("url = \"u\"\nratio = 0.5\ntoken = \"t\"\npool = { name = \"p\" }"), "x.hcl", declared)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got settings
	if err := sdk.Settings(object).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := settings{URL: "u", Retries: 3, Ratio: 0.5, Token: sdk.NewSecret([]byte("t")), Hosts: []string{"a"}}
	want.Pool.Size, want.Pool.Name = 8, "p"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := sdk.Settings(nil).Decode(&got); err != nil {
		t.Errorf("no settings at all: %v", err)
	}
	for text, want := range map[string]string{
		`{"other": 1}`:  `unknown field "other"`,
		`{"url": 1}`:    "cannot unmarshal number",
		`{"url":"a"} x`: "something follows",
	} {
		if err := sdk.Settings(text).Decode(&got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
