package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/sdk"
)

func newVersion(version func(asJSON bool) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show nono's version and build",
		Example: "  nono version\n  nono version --json",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return version(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (a *App) version(asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprint(a.Stdout, versionLine())
		return err
	}
	return a.printJSON(struct {
		Version string `json:"version"`
		Build   string `json:"build"`
		Go      string `json:"go"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
	}{sdk.Version, sdk.Build, runtime.Version(), runtime.GOOS, runtime.GOARCH})
}

func versionLine() string {
	return fmt.Sprintf("nono %s (build %s, %s, %s/%s)\n",
		sdk.Version, sdk.Build, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
