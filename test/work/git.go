package main

// protectedConfig is why git's commands that write its settings fail.
const protectedConfig = "`.git/config` is read-only inside, because git outside runs what it names; " +
	"`write = [\".git/config\"]` lifts that"

// keptAside is why they do not in tier B.
const keptAside = "tier B cannot hold a file in what is written: it is kept aside first, and the end " +
	"of the run says that it was changed, with the command that puts it back"

// git is work in a clone of a repository.
var git = group{
	name:  "git",
	needs: []string{"git"},
	given: `
git config --global user.name Ada
git config --global user.email ada@example.org
git init -q -b main ~/first
cd ~/first
mkdir src
printf 'one\ntwo\nthree\n' >src/a.txt
echo '*.log' >.gitignore
git add .
git commit -q -m first
echo four >>src/a.txt
git commit -q -a -m second
git tag v1
git switch -q -c topic
echo topic >src/topic.txt
git add .
git commit -q -m topic
git switch -q main
echo other >src/other.txt
git add .
git commit -q -m third
cd ..
git clone -q --bare first up.git
git clone -q up.git project
cd project
git branch -q topic origin/topic
`,
	// The same commit has the same name on both sides.
	env: []string{
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
	},
	rows: []row{
		{name: "status", run: `git status`},
		{name: "status of a change", run: `echo x >>src/a.txt; echo x >new; git status --short --branch`},
		{name: "add", run: `echo x >new; git add new; git status --short`},
		{name: "add -p", run: `echo x >>src/a.txt; printf 'y\n' | git add -p; git diff --cached --stat`},
		{name: "commit", run: `echo x >new; git add new; git commit -m new; git status`},
		{
			name: "commit in an editor", env: []string{"EDITOR=sed -i 1s/^/written/"},
			run: `echo x >new; git add new; git commit; git log -1 --format=%s`,
		},
		{name: "commit --amend", run: `git commit --amend -m better; git log -2 --format=%s`},
		{
			name: "commit with a hook", run: `git commit -q --allow-empty -m x; git log -1 --format=%s`,
			given: `printf '#!/bin/sh\necho the hook ran\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit`,
		},
		{name: "log", run: `git log --oneline --graph --all`},
		{name: "log -p", run: `git log -p --follow src/a.txt`},
		{name: "show", run: `git show HEAD~1:src/a.txt; git show --stat HEAD`},
		{name: "diff", run: `echo x >>src/a.txt; git diff; git diff --stat HEAD~1; git diff --exit-code`},
		{name: "branch", run: `git branch work; git branch -a -v`},
		{name: "switch", run: `git switch topic; git switch -c work; git switch -`},
		{name: "checkout of a file", run: `rm src/a.txt; git checkout -- src/a.txt; cat src/a.txt`},
		{name: "checkout of a commit", run: `git checkout HEAD~1; git status`},
		{name: "merge", run: `git merge topic -m merged; git log --oneline --graph`},
		{name: "merge, fast forward", run: `git reset -q --hard HEAD~1; git merge origin/main`},
		{
			name: "merge with a conflict",
			run: `echo mine >src/topic.txt; git add .; git commit -q -m mine
git merge topic; git status --short; git merge --abort; git status --short`,
		},
		{name: "rebase", run: `git switch -q topic; git rebase main; git log --oneline`},
		{
			name: "rebase -i", env: []string{"GIT_SEQUENCE_EDITOR=sed -i s/^pick/drop/"},
			run: `git rebase -i HEAD~1; git log --oneline`,
		},
		{name: "cherry-pick", run: `git cherry-pick topic; git log -1 --format=%s`},
		{name: "revert", run: `git revert --no-edit HEAD; git log -1 --format=%s`},
		{name: "reset", run: `git reset --soft HEAD~1; git status --short; git reset --hard; ls src`},
		{name: "restore", run: `echo x >>src/a.txt; git add .; git restore --staged --worktree .; git status`},
		{name: "stash", run: `echo x >>src/a.txt; git stash; git stash list; git stash pop; git diff --stat`},
		{name: "tag", run: `git tag -a v2 -m two; git tag -n; git describe; git tag -d v2`},
		{name: "blame", run: `git blame src/a.txt`},
		{name: "grep", run: `git grep -n four; git grep -c o HEAD`},
		{name: "bisect", run: `git bisect start HEAD v1~1; git bisect run grep -q three src/a.txt; git bisect reset`},
		{name: "clean", run: `mkdir d; echo x >d/f; echo x >b.log; git clean -fd; git clean -fdX; ls`},
		{name: "rm and mv", run: `git rm src/other.txt; git mv src/a.txt b.txt; git status --short`},
		{name: "ls-files", run: `git ls-files -s; git ls-tree -r HEAD; git check-ignore x.log`},
		{name: "archive", run: `git archive HEAD | tar -t`},
		{name: "patches", run: `git format-patch -1 -o out topic; git am out/*.patch; git log -1 --format=%s`},
		{name: "apply", run: `git diff HEAD v1 >p; git apply --stat --apply p; git status --short`},
		{name: "shortlog and reflog", run: `git shortlog -s -n HEAD; git reset -q HEAD~1; git reflog -2`},
		{name: "notes", run: `git notes add -m noted; git log -1 --show-notes`},
		{name: "bundle", run: `git bundle create all.bundle --all; git bundle verify -q all.bundle`},
		{name: "gc and fsck", run: `git gc -q; git fsck --full; git count-objects`},
		{name: "range-diff", run: `git range-diff HEAD~1..HEAD v1..topic`},
		{name: "clone in the project", run: `git clone -q . copy; git -C copy log -1 --format=%s; git status --short`},
		{name: "init in the project", run: `git init -q -b main new; git -C new commit -q --allow-empty -m x; git status --short`},
		{name: "worktree in the project", run: `git worktree add wt topic; git -C wt log -1 --format=%s; git worktree remove wt`},
		{name: "fetch", grant: []string{"--read", "../up.git"}, run: `git fetch --all; git remote -v`},
		{name: "pull", grant: []string{"--read", "../up.git"}, run: `git reset -q --hard HEAD~1; git pull --rebase`},
		{name: "push", grant: []string{"--allow", "../up.git"}, run: `git commit -q --allow-empty -m x; git push`},
		{
			name:  "submodule",
			grant: []string{"--read", "../up.git"},
			given: `git -c protocol.file.allow=always submodule add -q ../up.git sub
git commit -q -m sub`,
			run: `git submodule status; git submodule foreach -q git log -1 --format=%s; git -C sub switch -q -c x`,
		},
		{
			name: "config", run: `git config user.name Eve; git config user.name`,
			differs: &deviation{code: 0, says: "Ada", why: protectedConfig},
			inB:     none(keptAside),
		},
		{
			name: "remote add", run: `git remote add other ../other; git remote`,
			differs: &deviation{code: 0, says: "could not write config file", why: protectedConfig},
			inB:     none(keptAside),
		},
		{
			name: "push -u", grant: []string{"--allow", "../up.git"}, run: `git push -u origin topic`,
			differs: &deviation{code: 0, says: "could not write config file", why: protectedConfig},
			inB:     none(keptAside),
		},
		{
			name: "branch -d", run: `git branch -D topic; git branch`,
			differs: &deviation{code: 0, says: "could not write config file", why: protectedConfig},
			inB:     none(keptAside),
		},
		{
			name: "branch -m", run: `git branch -m topic renamed; git branch`,
			differs: &deviation{code: 0, says: "could not", why: protectedConfig},
			inB:     none(keptAside),
		},
		{
			name: "sparse-checkout", run: `git sparse-checkout set src; ls -a`,
			differs: &deviation{code: 0, says: "", why: protectedConfig},
			inB:     none(keptAside),
		},
		{
			name: "config, lifted", grant: []string{"--write", ".git/config"},
			run: `git config user.name Eve; git config user.name`,
		},
		{
			name: "a hook is installed",
			run:  `printf '#!/bin/sh\n' >.git/hooks/pre-commit; ls .git/hooks | grep -v sample`,
			differs: &deviation{
				code: 1, says: "Read-only file system",
				why: "`.git/hooks` is read-only inside, because git outside runs what stands there",
			},
			inB: none(keptAside),
		},
		{
			name: "fetch, not granted", run: `git fetch`,
			differs: &deviation{
				code: 128, says: "does not appear to be a git repository",
				why: "another repository is not there before it is granted: `--read ../up.git`",
			},
		},
	},
}
