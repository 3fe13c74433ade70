package main

// node is work with node and npm: the system's, and one where nvm keeps it.
var node = group{
	name:  "node",
	needs: []string{"node"},
	env:   []string{"NPM_CONFIG_UPDATE_NOTIFIER=false"},
	rows: []row{
		{name: "a program", run: `node -p "require(\"os\").EOL.length + require(\"fs\").readdirSync(\".\").length"`},
		{name: "workers and children", run: `node -e "
const { Worker } = require('worker_threads'), { execFileSync } = require('child_process');
new Worker('require(\"worker_threads\").parentPort.postMessage(6 * 7)', { eval: true }).on('message', m => {
  console.log(m, execFileSync('echo', ['a child']).toString().trim()); });"`},
		{name: "a forked child that answers", run: `node -e "
const { fork } = require('child_process');
require('fs').writeFileSync('child.js', 'process.on(\"message\", m => { process.send(m * 2); process.disconnect(); })');
fork('./child.js').on('message', m => console.log(m)).send(21);"`},
		{
			name: "a server that answers itself", run: `node -e "` + nodeServer + `"`, env: []string{"PORT=0"},
			inB: &deviation{code: 1, says: "listen EACCES", why: listens},
		},
		{
			name: "a server at a port that is granted", run: `node -e "` + nodeServer + `"`,
			env: []string{"PORT=8643"}, grant: []string{"--listen-port", "8643"},
		},
		{name: "npm init and a script", needs: []string{"npm"}, run: `npm init -y >/dev/null && npm pkg set scripts.hello="echo hello" && npm run -s hello`},
		{
			name: "npm install of a directory", needs: []string{"npm"},
			given: `mkdir dep && printf '{"name":"dep","version":"1.0.0"}' >dep/package.json && echo 'module.exports = 42' >dep/index.js; printf '{"name":"p","version":"1.0.0"}' >package.json`,
			run:   `npm install --no-audit --no-fund --loglevel=error ./dep >/dev/null && node -p 'require("dep")' && rm -r node_modules/.package-lock.json`,
		},
		{
			name: "nvm's, with a program that npm installed for all", needs: []string{"npm"},
			given: nvm + `
mkdir tool && printf '{"name":"tool","version":"1.0.0","bin":{"tool":"t.js"}}' >tool/package.json && printf '#!/usr/bin/env node\nconsole.log(process.execPath)\n' >tool/t.js
npm pack -s ./tool >/dev/null && npm install -s -g --no-audit --no-fund --prefix "$HOME/.nvm/versions/node/v20.0.0" ./tool-1.0.0.tgz >/dev/null && rm -r tool*`,
			path: []string{".nvm/versions/node/v20.0.0/bin"},
			run:  `node -p process.execPath; tool`,
		},
		{
			name: "npm's prefix in the home", needs: []string{"npm"},
			given: `mkdir tool && printf '{"name":"tool","version":"1.0.0","bin":{"tool":"t.js"}}' >tool/package.json && printf '#!/usr/bin/env node\nconsole.log("a tool")\n' >tool/t.js
echo 'prefix=~/mine' >~/.npmrc; npm pack -s ./tool >/dev/null && npm install -s -g --no-audit --no-fund ./tool-1.0.0.tgz >/dev/null && rm -r tool*`,
			path: []string{"mine/bin"},
			run:  `tool`,
		},
	},
}

// nodeServer answers itself.
const nodeServer = `
const s = require('http').createServer((q, r) => r.end('served')).listen(process.env.PORT, '127.0.0.1', () =>
  fetch('http://127.0.0.1:' + s.address().port).then(r => r.text()).then(t => { console.log(t); s.close(); }));`

// listens is why a server has no port in tier B.
const listens = "in tier B loopback is the host's: a server has the ports that were granted, " +
	"`--listen-port 8642`, and not one that the kernel picks; tests that listen at port 0 fail"

// nvm is the layout of nvm with the machine's node in it.
const nvm = `mkdir -p ~/.nvm/versions/node/v20.0.0/bin ~/.nvm/alias && echo v20.0.0 >~/.nvm/alias/default
cp "$(readlink -f "$(command -v node)")" ~/.nvm/versions/node/v20.0.0/bin/node`
