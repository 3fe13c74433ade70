package sdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog" //nolint:depguard // a vendor may log with it, and a secret must not show there
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/sdk"
)

// TestSecretIsNotPrinted tries every way in which a value is printed by accident.
func TestSecretIsNotPrinted(t *testing.T) {
	const value = "hunter2-hunter2"
	secret := sdk.NewSecret([]byte(value))
	type request struct {
		Name     string
		Exported sdk.Secret
		hidden   sdk.Secret
		list     []sdk.Secret
		byName   map[string]sdk.Secret
		pointer  *sdk.Secret
	}
	things := map[string]any{
		"itself": secret, "a pointer": &secret, "a list": []sdk.Secret{secret},
		"a map": map[string]sdk.Secret{"a": secret},
		"a struct": request{
			"n", secret, secret, []sdk.Secret{secret}, map[string]sdk.Secret{"a": secret}, &secret,
		},
	}
	var out bytes.Buffer
	for name, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%b", "%10v"} {
			fmt.Fprintf(&out, verb+"\n", thing)
		}
		fmt.Fprintln(&out, thing)
		if text, err := json.Marshal(thing); err == nil {
			out.Write(text)
		} else {
			t.Errorf("%s: %v", name, err)
		}
		for _, asJSON := range []bool{false, true} {
			hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: asJSON}).Info("x", "secret", thing)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", thing)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", thing)
	}
	fmt.Fprintln(&out, fmt.Errorf("with %v: %w", secret, errors.New("no")))
	hex := fmt.Sprintf("%x", value)
	for _, bad := range []string{value, "hunter", hex, fmt.Sprint([]byte(value))[1:]} {
		if strings.Contains(strings.ToLower(out.String()), bad) {
			t.Errorf("%q is in\n%s", bad, out.String())
		}
	}
	if got := fmt.Sprint(secret); got != "[redacted]" {
		t.Errorf("it prints as %s", got)
	}
	if string(secret.Reveal()) != value {
		t.Error("and it is lost")
	}
}
