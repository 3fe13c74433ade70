package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
)

// wishes are answers that break the contract, made of landlock's own.
var wishes = map[string]func(*sdk.PlanRequest, *sdk.PlanResponse) error{
	// Another answer each time.
	"waver": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		resp.Fragment.Steps = append(resp.Fragment.Steps,
			fragment.Env{Name: "WAVER", Value: fragment.Text(rand.Text())})
		return nil
	},
	// Nothing is said of the rules that the user wrote.
	"forget": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		resp.Coverage = slices.DeleteFunc(resp.Coverage, func(c sdk.Coverage) bool {
			rule, _ := req.Policy.Find(c.Rule)
			return rule.Source.Asked()
		})
		return nil
	},
	// A setting that there is not.
	"misname": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		resp.Diagnostics = append(resp.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityWarning, Attribute: "misbehaviour", Summary: "it could be worse",
		})
		return nil
	},
	// A secret in clear, beside the right way to give it.
	"tell": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		const token = "sesame open"
		resp.Secrets = map[string]sdk.Secret{"token": sdk.NewSecret([]byte(token))}
		resp.Fragment.Steps = append(resp.Fragment.Steps,
			fragment.Env{Name: "TOKEN", Value: fragment.Value{fragment.SecretValue("token")}},
			fragment.Env{Name: "HINT", Value: fragment.Text("it is " + token)})
		return nil
	},
	// A file of the user's is changed.
	"write": func(req *sdk.PlanRequest, _ *sdk.PlanResponse) error {
		return os.WriteFile(filepath.Join(req.Host.Home, "notes"), []byte("rogue"), 0o600)
	},
	// The answer depends on a file, and the layer says that it is pure.
	"look": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		if _, err := os.Lstat(filepath.Join(req.Host.Home, "notes")); err != nil {
			resp.Fragment.Steps = nil
		}
		return nil
	},
	// A file that no rule grants.
	"show": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		path := filepath.Join(req.Host.Home, "notes")
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		resp.Fragment.Steps = append(resp.Fragment.Steps, fragment.Bind{
			Path: filepath.Join(req.Host.Home, "shown"), From: path,
			Device: uint64(st.Dev), Inode: st.Ino, //nolint:unconvert // the width differs between systems
		})
		return nil
	},
	// What is denied is not hidden, and said to be.
	"unhide": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		hidden := map[string]bool{}
		for _, p := range req.Places.Places {
			hidden[p.Path] = p.Shows == places.Hidden
		}
		resp.Fragment.Steps = slices.DeleteFunc(resp.Fragment.Steps, func(s fragment.Step) bool {
			m, ok := s.(fragment.Mount)
			return ok && hidden[m.At()]
		})
		return nil
	},
}
