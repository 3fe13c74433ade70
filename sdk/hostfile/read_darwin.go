package hostfile

import "os"

func openRegular(name string) (*os.File, error) { return openLooked(name) }

func openDirect(name string) (*os.File, error) { return openLookedDirect(name) }
