package prompt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nono-run/nono/sdk/prompt"
)

func Example() {
	tty, err := prompt.Open(os.Stdin, os.Stderr)
	var nobody *prompt.NobodyError
	if errors.As(err, &nobody) {
		fmt.Fprintln(os.Stderr, "cannot ask:", nobody.Why)
		return
	}
	defer tty.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	password, err := tty.Ask(ctx, "Password: ", prompt.Hidden)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Println(len(password), "characters")
}
