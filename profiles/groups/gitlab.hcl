# GitLab's own site, with git over https. A GitLab elsewhere is a host of its own to allow.

network {
  allow = ["gitlab.com"]
}
