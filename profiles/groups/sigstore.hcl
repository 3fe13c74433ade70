# Sigstore: what tools ask to verify signatures of packages and images.

network {
  allow = [
    "rekor.sigstore.dev",
    "fulcio.sigstore.dev",
    "tuf-repo-cdn.sigstore.dev",
    "oauth2.sigstore.dev",
  ]
}
