#!/bin/busybox sh
# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
# The whole system of the tests' guest: it takes the seed as a fresh FreeBSD would, lets one log in by SSH, and turns
# itself off when the power button is pressed.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /mnt /root/.ssh /etc/dropbear /var/run
mount -t devpts pts /dev/pts
while read -r module; do
    insmod "/modules/$module.ko" || echo "freehyve-guest: no $module"
done < /modules/order

say() { echo "freehyve-guest: $*" > /dev/console; }

ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2

# The lines of a block of user-data ("key: |"), less their indentation.
block() { sed -n "/^  $1: |\$/,/^  [^ ]/s/^    //p" /mnt/user-data; }
value() { sed -n "s/^ *$1 \"\(.*\)\"\$/\1/p" /mnt/user-data; }

if [ -e /own/authorized_keys ]; then
    cp /own/authorized_keys /root/.ssh/authorized_keys
    cp /own/hostkey /tmp/hostkey
    say "no seed wanted"
else
    for disk in /dev/vd?; do
        label=$(dd if="$disk" bs=1 skip=32808 count=6 2>/dev/null)
        [ "$label" = cidata ] && mount -t iso9660 -o ro "$disk" /mnt && say "seed on $disk"
    done
    [ "$(head -n 1 /mnt/user-data)" = "#cloud-config" ] || say "no seed"
    grep -q '^  - name: root$' /mnt/user-data && value "-" > /root/.ssh/authorized_keys
    block ed25519_private > /tmp/hostkey
    hostname "$(sed -n 's/^local-hostname: //p' /mnt/meta-data)"
fi
chmod 700 /root /root/.ssh
chmod 600 /root/.ssh/authorized_keys /tmp/hostkey
dropbearconvert openssh dropbear /tmp/hostkey /etc/dropbear/key > /dev/null 2>&1 || say "bad host key"
dropbear -E -s -r /etc/dropbear/key
say "up"

# One event of an input device is 24 bytes.
button=
until [ -n "$button" ]; do
    button=$(grep -l '^Power Button$' /sys/class/input/event*/device/name | cut -d / -f 5)
    [ -n "$button" ] || sleep 1
done
dd if="/dev/input/$button" of=/dev/null bs=24 count=1 2> /dev/null
say "power button"
killall dropbear
sync
say "off"
poweroff -f
