package main

// rust is work with cargo and rustc: the system's, and where rustup keeps them.
var rust = group{
	name: "rust",
	rows: []row{
		{
			name: "the system's cargo", needs: []string{"/usr/bin/cargo", "cc"},
			path: []string{"none"}, env: []string{"PATH=/usr/bin:/bin"},
			run: cargo,
		},
		{
			name: "rustup's layout, with the system's for its toolchain", needs: []string{"/usr/bin/cargo", "cc"},
			given: `t=$HOME/.rustup/toolchains/stable-x86_64-unknown-linux-gnu; mkdir -p "$t/bin" ~/.cargo/bin
ln -s /usr/bin/cargo /usr/bin/rustc "$t/bin/"; echo 'default_toolchain = "stable-x86_64-unknown-linux-gnu"' >~/.rustup/settings.toml
printf '#!/bin/sh\nexec "$HOME/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/${0##*/}" "$@"\n' >~/.cargo/bin/rustup
chmod +x ~/.cargo/bin/rustup; ln -s rustup ~/.cargo/bin/cargo; ln -s rustup ~/.cargo/bin/rustc`,
			path: []string{".cargo/bin"},
			run:  cargo,
		},
		{name: "rustup's own cargo", needs: []string{"rustup", "cargo", "cc"}, home: true, run: cargo},
		{
			name: "with settings in the home", needs: []string{"/usr/bin/cargo", "cc"},
			path: []string{"none"}, env: []string{"PATH=/usr/bin:/bin"},
			given: `mkdir -p ~/.cargo; echo '[build]' >~/.cargo/config.toml`,
			run:   `cargo init -q --vcs none --name app . && cargo build -q --offline && ./target/debug/app; rm -rf target`,
			inB: &deviation{
				code: 0, says: "failed to read configuration file",
				why: "what is not granted is not there in tier A, and there in tier B, unreadable: cargo stops at " +
					"settings that it may not read; `--read ~/.cargo/config.toml`, if there is no token in it",
			},
		},
		{
			name: "a dependency beside it", needs: []string{"cargo", "cc"}, home: true,
			given: `cargo init -q --vcs none --lib --name dep dep && cargo init -q --vcs none --name app app && printf 'dep = { path = "../dep" }\n' >>app/Cargo.toml`,
			run:   `cd app && cargo build -q --offline && cargo run -q --offline && cd .. && rm -r app/target`,
		},
	},
}

// cargo is a program that is made, built, tested and run.
const cargo = `cargo --version; rustc --version; cargo init -q --vcs none --name app . && cargo build -q --offline && ./target/debug/app &&
cargo test -q --offline 2>&1 | grep -c 'test result: ok'; cargo build --offline 2>&1 | grep -c Compiling; rm -r target`
