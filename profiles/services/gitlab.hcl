# GitLab's interface, and its repositories by git. No variable says where the interface is: a client is told by its own
# settings. The user is the one that every kind of token works with.

credential "gitlab" {
  upstream = "https://gitlab.com/api"
  source   = ["keyring://gitlab", "env://GITLAB_TOKEN"]
  header   = "PRIVATE-TOKEN"
  format   = "{}"
  env      = { key = "GITLAB_TOKEN" }
  git      = ["gitlab.com"]
  git_user = "oauth2"
  test     = { path = "/api/v4/version" }
}
