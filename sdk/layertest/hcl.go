package layertest

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/schema"
)

// settingsFile is what problems call the text that FromHCL was given.
const settingsFile = "layer.hcl"

// FromHCL plans with settings as the user would write them in the layer's block, without plugin and
// enabled. It returns what the user would be shown, each with its place in the text:
// "layer.hcl:2:15: 70000 is not a port". Settings that do not fit what the layer declares never
// reach Plan, and there is no answer then. Of the request, everything but Settings is used.
func (k *Kit) FromHCL(text string, req *sdk.PlanRequest) (*sdk.PlanResponse, []string) {
	k.t.Helper()
	settings, problems := schema.Parse([]byte(text), settingsFile, k.Description.Settings)
	if len(problems) > 0 {
		var shown []string
		for _, p := range problems {
			shown = append(shown, place(p.Range)+p.Summary)
		}
		return nil, shown
	}
	asked := *req
	asked.Settings = settings
	resp := k.Plan(&asked)
	where := ranges(text)
	var shown []string
	for _, d := range resp.Diagnostics {
		at, ok := where[d.Attribute]
		if d.Attribute != "" && !ok {
			k.t.Errorf("a diagnostic is about the setting %q, which was not given", d.Attribute)
		}
		shown = append(shown, place(at)+d.Summary)
	}
	return resp, shown
}

// ranges says where the value of each setting stands, in a text that is known to be good.
func ranges(text string) map[string]hcl.Range {
	found := map[string]hcl.Range{}
	file, _ := hclsyntax.ParseConfig([]byte(text), settingsFile, hcl.InitialPos)
	if body, ok := file.Body.(*hclsyntax.Body); ok {
		for name, a := range body.Attributes {
			found[name] = a.Expr.Range()
		}
	}
	return found
}

func place(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d: ", r.Filename, r.Start.Line, r.Start.Column)
}
