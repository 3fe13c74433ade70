package sdk_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk"
)

func ExampleSecret() {
	type vault struct {
		Address string
		token   sdk.Secret
	}
	v := vault{"https://vault.example", sdk.NewSecret([]byte("hunter2"))}
	fmt.Println(v.token)
	fmt.Println(len(v.token.Reveal()), "bytes for", v.Address)
	// Output:
	// [redacted]
	// 7 bytes for https://vault.example
}

func ExampleSettings_Decode() {
	var settings struct {
		Region  string
		Retries int
		Token   sdk.Secret
	}
	// As a request brings it; the names are those that Describe declares.
	received := sdk.Settings(`{"region": "eu", "retries": 3, "token": "hunter2"}`)
	if err := received.Decode(&settings); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(settings.Region, settings.Retries, settings.Token)
	// Output: eu 3 [redacted]
}

// A key comes from the user where there is no other source of it, and somebody to ask.
func ExampleSession_AskHidden() {
	_ = func(ctx context.Context, req *sdk.PlanRequest) (sdk.Secret, error) {
		key, err := req.Session.AskHidden(ctx, "the key of acme?")
		if errors.Is(err, sdk.ErrNobody) {
			return sdk.Secret{}, errors.New("there is no key, and nobody to ask for one")
		}
		return key, err
	}
}

// A layer that holds secrets hides its memory first of all, and goes on with what it could get.
func ExampleHideMemory() {
	if err := sdk.HideMemory(); err != nil {
		sdk.Logger().Warn("secrets are less well hidden here", "missing", err)
	}
}
