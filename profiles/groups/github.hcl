# GitHub: its site and interface, git over https, and what is downloaded from there.
#
# Anybody has an account there: with a token that can write, this carries data out. git over ssh speaks neither TLS nor HTTP, and needs
# allow = ["github.com:22"] and opaque = ["github.com:22"] besides.

network {
  allow = [
    "github.com",
    "api.github.com",
    "codeload.github.com",
    "raw.githubusercontent.com",
    "objects.githubusercontent.com",
  ]
}
