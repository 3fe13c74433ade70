package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/nono-run/nono/core/attack"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk/hostfile"
)

// attackProgram is the one that makes the attempts, beside nono-init.
const attackProgram = "nono-attack"

// attack tries the ways out of a sandbox on this machine.
func (a *App) attack(ctx context.Context, asJSON bool) error {
	// What was made for it is removed first.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	req, err := a.attackRequest()
	if err != nil {
		return err
	}
	report, err := attack.Run(ctx, req)
	if err != nil {
		return diag.Errorf("trying to get out of a sandbox: %v", err).
			Try("`nono doctor` says what a run lacks on this host")
	}
	if asJSON {
		err = a.printJSON(report)
	} else {
		report.Write(a.Stdout)
	}
	if err == nil && !report.Sound() {
		return notKept
	}
	return err
}

func (a *App) attackRequest() (attack.Request, error) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return attack.Request{}, err
	}
	bin, err := layerhost.Locate()
	if err != nil {
		return attack.Request{}, err
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = hostfile.Resolve(exe)
	}
	if err != nil {
		return attack.Request{}, fmt.Errorf("finding nono's own program: %w", err)
	}
	program := filepath.Join(bin, attackProgram)
	if _, err := os.Stat(program); err != nil {
		return attack.Request{}, diag.Errorf("trying to get out of a sandbox: %v", err).
			Try("install all of nono's programs side by side: make install")
	}
	base := own.Home
	if !mayWrite(base) {
		base = a.tempDir()
	}
	return attack.Request{Nono: exe, Attacker: program, Base: base, Root: a.UID == 0}, nil
}
