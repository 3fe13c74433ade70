package trust

// keyCommands are those about keys: they are made, listed, given away, trusted and revoked.
var keyCommands []command
