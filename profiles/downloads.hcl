# What tools have downloaded: Go's modules, npm's cache, cargo's registry, Maven's repository, to be read and not written.
#
#   nono run --profile claude-code --profile downloads --allow-cwd -- claude
#
# With it an agent builds what you have built, without a network. It is no part of another profile: there can be private code of all your
# projects among it.

filesystem {
  read = [
    "~/go/pkg/mod",
    "~/.npm/_cacache",
    "~/.cargo/registry",
    "~/.cargo/git",
    "~/.m2/repository",
  ]
}
