package schema_test

import (
	"fmt"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/schema"
)

func ExampleParse() {
	settings := []sdk.Setting{
		{Name: "mode", Type: sdk.SettingString, OneOf: []string{"namespace", "proxy"}},
		{Name: "retries", Type: sdk.SettingInteger, Default: 3},
	}
	object, _ := schema.Parse([]byte(`mode = "proxy"`), "agent.hcl", settings)
	fmt.Println(string(object))
	_, problems := schema.Parse([]byte(`mode = "prxy"`), "agent.hcl", settings)
	fmt.Println(problems[0].Summary+";", problems[0].Detail)
	// Output:
	// {"mode":"proxy","retries":3}
	// "mode" cannot be "prxy"; did you mean "proxy"?
}
