package roots

// BesideOf finds the program beside another.
var BesideOf = beside
