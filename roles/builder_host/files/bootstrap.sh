#!/bin/sh
# Put Python on a FreeBSD host that has none. Base system only; pkg(7) bootstraps pkg(8) itself.
# usage: bootstrap.sh INTERPRETER REPOSITORY-URL SIGNATURE
set -eu
interpreter=$1
url=$2
signature=$3

ASSUME_ALWAYS_YES=yes
export ASSUME_ALWAYS_YES

if [ -n "$url" ]; then
	# The site's repository replaces FreeBSD's, whose names differ between releases (facts: 14 FreeBSD, 15 FreeBSD-ports).
	conf=/usr/local/etc/pkg/repos
	mkdir -p "$conf"
	case $signature in
	none) signed='signature_type: "none"' ;;
	*) if [ -d "$signature" ]; then
		signed="signature_type: \"fingerprints\", fingerprints: \"$signature\""
	else
		signed="signature_type: \"pubkey\", pubkey: \"$signature\""
	fi ;;
	esac
	printf 'freehyve: { url: "%s", %s, enabled: yes }\n' "$url" "$signed" >"$conf/freehyve.conf"
	for name in FreeBSD FreeBSD-kmods FreeBSD-ports FreeBSD-ports-kmods; do
		grep -qs "^$name:" /etc/pkg/FreeBSD.conf && printf '%s: { enabled: no }\n' "$name"
	done >"$conf/FreeBSD.conf" || true
	if [ "$signature" = none ]; then
		SIGNATURE_TYPE=none
		export SIGNATURE_TYPE
	fi
	PACKAGESITE=$url
	export PACKAGESITE
fi

pkg -N >/dev/null 2>&1 || pkg bootstrap -y
unset PACKAGESITE SIGNATURE_TYPE
pkg install -y python3
test -x "$interpreter" || {
	echo "python3 is installed, but there is no $interpreter: set builder_host_python" >&2
	exit 1
}
