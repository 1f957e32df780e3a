#!/bin/sh
# Put Python on a FreeBSD host that has none. Base system only; pkg(7) bootstraps pkg(8) itself.
# usage: bootstrap.sh INTERPRETER REPOSITORY-URL SIGNATURE REPOSITORY-CONF
set -eu
PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin
ASSUME_ALWAYS_YES=yes
export PATH ASSUME_ALWAYS_YES
interpreter=$1
url=$2
signature=$3
conf=$4

say() {
	echo "$*" >&2
	exit 1
}

# The first reason that pkg gives is the cause; the rest follows from it. What it says of a signature names no program.
temporary=$(mktemp -d -t freehyve)
trap 'rm -rf "$temporary"' EXIT
log=$temporary/log
quietly() {
	"$@" >"$log" 2>&1 </dev/null && return
	cause=$(grep -oE '(Signature is not valid|(No trusted|The package was signed with|Signature for pkg).*)' "$log" |
		head -n 1)
	: "${cause:=$(grep -E '^(pkg|pkg-static|ld-elf|Certificate)' "$log" | grep -v 'falling back' | head -n 1)}"
	say "${cause:-$(tail -n 1 "$log")}"
}

if [ ! -x /usr/local/sbin/pkg ]; then
	if [ -n "$url" ]; then
		# pkg(7) of 13.2 prefers the environment; that of 15.1 looks there only when it finds no repository in a file.
		mkdir "$temporary/repos"
		printf '%s\n' "$conf" >"$temporary/repos/freehyve.conf"
		REPOS_DIR=$temporary/repos
		PACKAGESITE=$url
		SIGNATURE_TYPE=none
		if [ -d "$signature" ]; then
			SIGNATURE_TYPE=fingerprints
			FINGERPRINTS=$signature
			export FINGERPRINTS
		elif [ "$signature" != none ]; then
			SIGNATURE_TYPE=pubkey
			PUBKEY=$signature
			export PUBKEY
		fi
		export REPOS_DIR PACKAGESITE SIGNATURE_TYPE
	fi
	quietly pkg bootstrap -y
	unset REPOS_DIR PACKAGESITE SIGNATURE_TYPE FINGERPRINTS PUBKEY
fi

if [ -n "$conf" ]; then
	# Only this repository is asked; those that the host has stay as they are.
	mkdir -p /usr/local/etc/pkg/repos
	printf '%s\n' "$conf" >/usr/local/etc/pkg/repos/freehyve.conf
	only="-r freehyve"
fi

# shellcheck disable=SC2086 # two words or none
quietly pkg install -y ${only:-} python3
test -x "$interpreter" || say "python3 is installed, but there is no $interpreter: set builder_host_python"
