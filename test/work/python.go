package main

// python is work with the system's Python, with virtual environments, pyenv and uv.
var python = group{
	name:  "python",
	env:   []string{"PYTHONDONTWRITEBYTECODE=1"},
	needs: []string{"python3"},
	rows: []row{
		{name: "a program", run: `python3 -c "import json, ssl; print(json.dumps({1: 2}))"`},
		{name: "threads and subprocesses", run: `python3 -c "
import concurrent.futures, subprocess
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(list(pool.map(len, ['a', 'bb'])))
print(subprocess.run(['echo', 'a child'], capture_output=True, text=True).stdout)"`},
		{
			name: "processes and threads", run: `python3 -c "
import multiprocessing, threading
if __name__ == '__main__':
    with multiprocessing.Pool(2) as pool:
        print(pool.map(len, ['a', 'bb']))
    t = threading.Thread(target=print, args=('a thread',)); t.start(); t.join()"`,
			inB: &deviation{
				code: 1, says: "Permission denied",
				why: "semaphores and shared memory lie in `/dev/shm`, which in tier B is the host's, and so not " +
					"granted: `multiprocessing.Pool`, `Lock` and `Queue` take `--allow /dev/shm`; threads, " +
					"`subprocess` and `concurrent.futures.ThreadPoolExecutor` need nothing",
			},
		},
		{
			name: "processes that share memory", grant: []string{"--allow", "/dev/shm"}, run: `python3 -c "
import multiprocessing
from multiprocessing import shared_memory
if __name__ == '__main__':
    with multiprocessing.Pool(2) as pool:
        print(pool.map(len, ['a', 'bb']))
    m = shared_memory.SharedMemory(create=True, size=4096)
    m.buf[0] = 7; print(m.buf[0]); m.close(); m.unlink()"`,
		},
		{
			name: "tests", given: `printf 'import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(1, 1)\n' >test_it.py`,
			run: `python3 -m unittest -q 2>&1 | grep -v '^Ran'`,
		},
		{
			name: "a server that answers itself", run: pythonServer,
			inB: &deviation{code: 0, says: "Error", why: listens},
		},
		{
			name: "a server at a port that is granted", run: pythonServer,
			grant: []string{"--listen-port", "8642"},
		},
		{name: "a virtual environment is made", run: `python3 -m venv --without-pip .venv && .venv/bin/python -c "import sys; print(sys.prefix)"`},
		{
			name: "one that was made outside", given: `python3 -m venv --without-pip .venv`,
			run: `. .venv/bin/activate && python -c "import sys; print(sys.prefix, sys.prefix != sys.base_prefix)"`,
		},
		{
			name: "a package is installed from a file", given: `python3 -m venv .venv || { echo "python3 with ensurepip"; exit 1; }
mkdir -p src/greet && echo 'def hello(): print("hello")' >src/greet/__init__.py
python3 - <<'END'
import zipfile
with zipfile.ZipFile("greet-1-py3-none-any.whl", "w") as z:
    z.write("src/greet/__init__.py", "greet/__init__.py")
    z.writestr("greet-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1\n")
    z.writestr("greet-1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr("greet-1.dist-info/RECORD", "greet/__init__.py,,\ngreet-1.dist-info/METADATA,,\ngreet-1.dist-info/WHEEL,,\ngreet-1.dist-info/RECORD,,\n")
END`,
			run: `.venv/bin/pip -q install --no-index greet-1-py3-none-any.whl && .venv/bin/python -c "import greet; greet.hello()"`,
		},
		{
			name: "pyenv's, through its shim", home: true, given: pyenv,
			run: `python -c "import sys, ssl, sqlite3; print(sys.version_info[:2], sys.base_prefix)"`,
		},
		{
			name: "pyenv's, as the project chooses", home: true, given: pyenv + `
ls "$USER_HOME/.pyenv/versions" | grep '^3' | head -1 >.python-version`,
			run: `python -c "import sys; print(sys.base_prefix)"; pip --version | cut -d' ' -f1,2`,
		},
		{
			name: "an environment over pyenv's", home: true, given: pyenv + `
ls "$USER_HOME/.pyenv/versions" | grep '^3' | head -1 >.python-version; python -m venv --without-pip .venv; rm .python-version`,
			run: `.venv/bin/python -c "import sys; print(sys.base_prefix)"`,
		},
		{
			name: "uv makes an environment and runs in it", needs: []string{"uv"}, home: true,
			run: `uv venv -q --offline --python /usr/bin/python3 .venv && uv run -q --offline --no-project --python .venv/bin/python python -c "import sys; print(sys.prefix)"`,
		},
	},
}

// pythonServer answers itself.
const pythonServer = `python3 -m http.server -b 127.0.0.1 8642 >log 2>&1 & sleep 1
python3 -c "import urllib.request as u; print(len(u.urlopen('http://127.0.0.1:8642/').read()) > 0)"; kill $!; rm log`

// pyenv is what the machine needs for a row about it.
const pyenv = `case $(command -v python) in */.pyenv/shims/python) ;; *) echo "pyenv's shims in PATH"; exit 1;; esac`
