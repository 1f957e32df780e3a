#!/bin/sh
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
# Stands in front of one command: counts the call, and does what fault.txt says when it is this one's turn.
# A turn is that of a command and its first word, such as `zfs list`: what runs side by side comes in any order.
# Shell builtins only, for the commands are what is wrapped.
name=@NAME@ real=@REAL@ run=@RUN@
set -C
last=0
{ read -r last < "$run/last"; } 2> /dev/null
n=$((last + 1))
until { printf '%s\n' "$name" "$@" > "$run/n.$n"; } 2> /dev/null; do n=$((n + 1)); done
echo "$n" >| "$run/last"
echo "$$" >> "$run/pids"
key=$name.${1%%[/ ]*}
k=1
until { echo > "$run/k.$key.$k"; } 2> /dev/null; do k=$((k + 1)); done
kind=none at=0
{ read -r kind at rest < "$run/fault.txt"; } 2> /dev/null
PATH=@PATH@
export PATH
if [ "$at" != "$key.$k" ]; then
	@SWIFT@
	exec "$real" "$@"
fi
: >| "$run/hit"
case $kind in
fail)
	echo "$name: Input/output error" >&2
	exit 1
	;;
hang)
	# It can be killed; nobody waits for it without a limit for ever, and it has not done its work even then.
	exec @PYTHON@ -c 'import time; time.sleep(8); raise SystemExit(1)'
	;;
before)
	kill -9 "$PPID"
	exit 137
	;;
after)
	"$real" "$@"
	rc=$?
	kill -9 "$PPID"
	exit $rc
	;;
during)
	kill -9 "$PPID"
	exec "$real" "$@"
	;;
full)
	@PYTHON@ @HERE@/far/full.py "$run" > /dev/null 2>&1 < /dev/null
	exec "$real" "$@"
	;;
short)
	case $name in
	cat | cp | cpio | dd | fetch | git | mkimg | newfs_msdos | pkg | pkg-static | tar | truncate | xz | zstd)
		# The file that it writes stops growing: a write that is short, then one that fails.
		ulimit -f 8
		trap '' 25
		;;
	esac
	"$real" "$@" | head -c 48
	kill -13 $$
	exit 141
	;;
esac
echo "wrapper: unknown fault $kind" >&2
exit 70
