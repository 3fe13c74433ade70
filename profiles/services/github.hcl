# GitHub's interface, and its repositories by git. Whose password a token is does not matter there, but for those of
# an app, which want this name.

credential "github" {
  upstream = "https://api.github.com"
  source   = ["keyring://github", "env://GITHUB_TOKEN"]
  header   = "Authorization"
  format   = "token {}"
  env      = { key = "GITHUB_TOKEN", base_url = "GITHUB_API_URL" }
  git      = ["github.com"]
  git_user = "x-access-token"
  test     = { path = "/rate_limit" }
}
