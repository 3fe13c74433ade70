//go:build linux

package internet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The test binary is several processes, one after another or beside each other:
//
//	enter    what go test started; waits
//	try      shows whether build succeeds
//	build    the same in new namespaces, with the capabilities to set them up; becomes inside
//	outside  in the other network namespace; opens sockets there
//	inside   runs the tests, without any capability
const (
	stageVariable  = "NONO_INTERNET"
	beforeVariable = "NONO_INTERNET_BEFORE" // the network namespace that was left

	stageTry     = "try"
	stageBuild   = "build"
	stageOutside = "outside"
	stageInside  = "inside"
)

// etc has the files that are bound over the machine's own.
const etc = "/run/internet"

// capabilities are what setting up takes, over the new namespaces alone.
var capabilities = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}

// try says why there can be no such namespaces here.
func try() error {
	if _, err := program("ip"); err != nil {
		return err
	}
	runtime.LockOSThread() // a child dies with the thread that started it
	if out, err := again(stageTry).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// enter starts the test binary again in namespaces of its own and waits for it.
func enter(env []string) (code int) {
	cmd := again(stageBuild, os.Args[1:]...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState == nil {
			fmt.Fprintln(os.Stderr, "internet:", err)
		}
		return 1
	}
	return 0
}

// again is this program at another stage, in namespaces of its own, as the user that it has.
func again(stage string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	before, _ := os.Readlink("/proc/self/ns/net")
	cmd.Env = append(os.Environ(), stageVariable+"="+stage, beforeVariable+"="+before)
	uid, gid := os.Getuid(), os.Getgid()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
		AmbientCaps: capabilities,
		Pdeathsig:   unix.SIGKILL,
	}
	return cmd
}

// build sets the namespaces up.
func build() (socket int, err error) {
	if socket, err = startOutside(); err != nil {
		return -1, err
	}
	if err := replaceFiles(); err != nil {
		return -1, err
	}
	// Whoever asks for port 80 gets it, so that no capability is needed from here on, and may ping.
	if err := os.WriteFile(lowPorts, []byte("0"), 0); err != nil {
		return -1, err
	}
	return socket, os.WriteFile(pingers, fmt.Appendf(nil, "%[1]d %[1]d", os.Getgid()), 0)
}

// becomeInside becomes the process that runs the tests. It gives up the capabilities by executing
// itself: what is not ambient does not outlive that. Root keeps what root has.
func becomeInside(socket int) error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	if socket != outsideSocket {
		if err := unix.Dup3(socket, outsideSocket, 0); err != nil {
			return err
		}
	} else if _, err := unix.FcntlInt(outsideSocket, unix.F_SETFD, 0); err != nil {
		return err
	}
	var env []string
	for _, each := range os.Environ() {
		if !strings.HasPrefix(each, stageVariable+"=") {
			env = append(env, each)
		}
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(env, stageVariable+"="+stageInside))
}

// pingers is the setting of which groups may send ICMP's echo requests.
const pingers = "/proc/sys/net/ipv4/ping_group_range"

// lowPorts is the setting that says from which port on one needs no capability to listen.
const lowPorts = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// machine is what the user's machine has; the answer to every other address is the internet's.
const machine = `
link set lo up
link add out0 type veth peer name net0 netns %d
address add 6.6.6.1 peer 6.6.6.254 dev out0
address add 6.6.7.1/24 dev out0
address add 6.6.7.2/24 dev out0
address add 2a00:6666::1/128 dev out0 nodad
link set out0 up
route add default via 6.6.6.254
-6 route add default via 2a00:6666::254 dev out0 onlink
`

// internet has every address. The way back to the machine is more specific.
const internet = `
link set lo up
address add 6.6.6.254 peer 6.6.6.1 dev net0
address add 2a00:6666::254/128 dev net0 nodad
link set net0 up
route add local default dev lo table main
-6 route add local default dev lo table main
-6 route add 2a00:6666::1 dev net0
`

// configure has ip do each line.
func configure(lines string) error {
	ip, err := program("ip")
	if err != nil {
		return err
	}
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		out, err := exec.Command(ip, strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.TrimSpace(line), err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// program finds a program that ordinary users may not have in their PATH.
func program(name string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin"} {
		if p := filepath.Join(dir, name); unix.Access(p, unix.X_OK) == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// replaceFiles gives the machine names and certificates of its own: a resolver that is the
// internet's, and a store that trusts the internet's CA and nobody else. Nothing of /run is left,
// where services of the real host have their sockets, one that answers names among them.
func replaceFiles() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// Looked for before /run is hidden, in which the first one lies on many machines.
	places := map[string]string{"resolv.conf": "", "hosts": "", "nsswitch.conf": ""}
	for name := range places {
		p, err := filepath.EvalSymlinks(filepath.Join("/etc", name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		places[name] = p
	}
	certs, err := filepath.EvalSymlinks("/etc/ssl/certs")
	if err != nil {
		return err
	}
	const plain = unix.MS_NOSUID | unix.MS_NODEV
	if err := unix.Mount("run", "/run", "tmpfs", plain, "mode=755"); err != nil {
		return fmt.Errorf("hiding /run: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(etc, "certs"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount(filepath.Join(etc, "certs"), certs, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("replacing %s: %w", certs, err)
	}
	for name, content := range map[string]string{
		"resolv.conf":   "nameserver " + Resolver.String() + "\noptions attempts:1 timeout:2\n",
		"hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		if err := replaceFile(name, places[name], content); err != nil {
			return fmt.Errorf("replacing %s: %w", name, err)
		}
	}
	return nil
}

// replaceFile writes a file of the machine's, where /run has hidden it, or binds one over it.
func replaceFile(name, place, content string) error {
	ours := filepath.Join(etc, name)
	if err := os.WriteFile(ours, []byte(content), 0o644); err != nil {
		return err
	}
	switch {
	case place == "":
		return fmt.Errorf("there is no /etc/%s", name)
	case strings.HasPrefix(place, "/run/"):
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			return err
		}
		return os.WriteFile(place, []byte(content), 0o644)
	}
	return unix.Mount(ours, place, "", unix.MS_BIND, "")
}
