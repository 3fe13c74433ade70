package trust

// fileCommands are those about files: they are signed, verified, listed, shown and forgotten.
var fileCommands []command
