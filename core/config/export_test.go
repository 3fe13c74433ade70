package config

// NoProject says why a directory is no project.
func NoProject(o Options, dir string) string { return newHost(o, &report{}).noProject(dir) }
