# GitHub's interface, which is not git itself.

credential "github" {
  upstream = "https://api.github.com"
  source   = ["keyring://github", "env://GITHUB_TOKEN"]
  header   = "Authorization"
  format   = "token {}"
  env      = { key = "GITHUB_TOKEN", base_url = "GITHUB_API_URL" }
}
