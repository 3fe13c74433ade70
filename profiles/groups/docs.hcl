# Documentation of languages and platforms.

network {
  allow = [
    "docs.python.org",
    "docs.rs",
    "doc.rust-lang.org",
    "developer.mozilla.org",
    "nodejs.org",
    "go.dev",
    "pkg.go.dev",
    "learn.microsoft.com",
  ]
}
