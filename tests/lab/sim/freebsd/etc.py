# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""/etc of the made-up base set: our own words in FreeBSD's formats, with the accounts that tools look for."""

from __future__ import annotations

from .entries import Entry, directory, link, text

# name, uid, gid, gecos, home, shell. root's password field is empty, as in a real base.txz.
USERS = (
    ("root", 0, 0, "Charlie &", "/root", "/bin/csh"),
    ("toor", 0, 0, "Bourne-again Superuser", "/root", ""),
    ("daemon", 1, 1, "Owner of many system processes", "/root", "/usr/sbin/nologin"),
    ("operator", 2, 5, "System &", "/", "/usr/sbin/nologin"),
    ("bin", 3, 7, "Binaries Commands and Source", "/", "/usr/sbin/nologin"),
    ("tty", 4, 65533, "Tty Sandbox", "/", "/usr/sbin/nologin"),
    ("kmem", 5, 65533, "KMem Sandbox", "/", "/usr/sbin/nologin"),
    ("games", 7, 13, "Games pseudo-user", "/", "/usr/sbin/nologin"),
    ("man", 9, 9, "Mister Man Pages", "/usr/share/man", "/usr/sbin/nologin"),
    ("sshd", 22, 22, "Secure Shell Daemon", "/var/empty", "/usr/sbin/nologin"),
    ("mailnull", 26, 26, "Sendmail Default User", "/var/spool/mqueue", "/usr/sbin/nologin"),
    ("unbound", 59, 59, "Unbound DNS Resolver", "/var/unbound", "/usr/sbin/nologin"),
    ("_dhcp", 65, 65, "dhcp programs", "/var/empty", "/usr/sbin/nologin"),
    ("ntpd", 123, 123, "NTP Daemon", "/var/db/ntp", "/usr/sbin/nologin"),
    ("www", 80, 80, "World Wide Web Owner", "/nonexistent", "/usr/sbin/nologin"),
    ("hast", 845, 845, "HAST unprivileged user", "/var/empty", "/usr/sbin/nologin"),
    ("nobody", 65534, 65534, "Unprivileged user", "/nonexistent", "/usr/sbin/nologin"),
)
GROUPS = (
    ("wheel", 0, "root"),
    ("daemon", 1, ""),
    ("kmem", 2, ""),
    ("sys", 3, ""),
    ("tty", 4, ""),
    ("operator", 5, "root"),
    ("mail", 6, ""),
    ("bin", 7, ""),
    ("news", 8, ""),
    ("man", 9, ""),
    ("games", 13, ""),
    ("ftp", 14, ""),
    ("staff", 20, ""),
    ("sshd", 22, ""),
    ("mailnull", 26, ""),
    ("guest", 31, ""),
    ("video", 44, ""),
    ("unbound", 59, ""),
    ("_dhcp", 65, ""),
    ("dialer", 68, ""),
    ("network", 69, ""),
    ("audit", 77, ""),
    ("www", 80, ""),
    ("u2f", 116, ""),
    ("ntpd", 123, ""),
    ("hast", 845, ""),
    ("nogroup", 65533, ""),
    ("nobody", 65534, ""),
)

DEFAULTS = {
    "hostname": "",
    "zfs_enable": "NO",
    "zpool_reguid": "",
    "zpool_upgrade": "",
    "sshd_enable": "NO",
    "cron_enable": "YES",
    "syslogd_enable": "YES",
    "syslogd_flags": "-s",
    "sendmail_enable": "NO",
    "ntpd_enable": "NO",
    "ntpdate_enable": "NO",
    "dumpdev": "NO",
    "kld_list": "",
    "keymap": "NO",
    "keyrate": "NO",
    "moused_enable": "NO",
    "powerd_enable": "NO",
    "newsyslog_enable": "YES",
    "devd_enable": "YES",
    "devmatch_enable": "YES",
    "mixer_enable": "YES",
    "netif_enable": "YES",
    "rctl_enable": "YES",
    "kldxref_enable": "YES",
    "savecore_enable": "YES",
    "background_fsck": "YES",
    "hostid_enable": "YES",
    "cleanvar_enable": "YES",
    "ip6addrctl_enable": "YES",
    "resolv_enable": "YES",
    "dmesg_enable": "YES",
    "update_motd": "YES",
    "osrelease_enable": "YES",
    "clear_tmp_X": "YES",
    "clear_tmp_enable": "NO",
    "gptboot_enable": "YES",
    "growfs_enable": "NO",
    "pf_enable": "NO",
    "ipfw_enable": "NO",
    "firewall_enable": "NO",
    "jail_enable": "NO",
    "nfs_server_enable": "NO",
    "nfs_client_enable": "NO",
    "local_unbound_enable": "NO",
    "linux_enable": "NO",
    "ifconfig_lo0": "inet 127.0.0.1/8",
    "defaultrouter": "NO",
    "gateway_enable": "NO",
    "rc_debug": "NO",
    "rc_info": "NO",
    "rc_startmsgs": "YES",
    "rcshutdown_timeout": "90",
    "firstboot_sentinel": "/firstboot",
    "root_rw_mount": "YES",
    "local_startup": "/usr/local/etc/rc.d",
}

RC_SCRIPTS = [
    "bgfsck",
    "cleartmp",
    "cleanvar",
    "cron",
    "devd",
    "devmatch",
    "dmesg",
    "dumpon",
    "fsck",
    "gptboot",
    "growfs",
    "hostid",
    "hostid_save",
    "hostname",
    "ip6addrctl",
    "ipfw",
    "jail",
    "kld",
    "kldxref",
    "ldconfig",
    "linux",
    "local",
    "local_unbound",
    "mixer",
    "motd",
    "mountcritlocal",
    "moused",
    "netif",
    "newsyslog",
    "nfsclient",
    "nfsd",
    "ntpd",
    "ntpdate",
    "os-release",
    "pf",
    "powerd",
    "rctl",
    "resolv",
    "root",
    "routing",
    "savecore",
    "sendmail",
    "sshd",
    "swap",
    "syslogd",
    "sysctl",
    "utx",
    "zfs",
    "zfsbe",
    "zpool",
    "zpoolreguid",
    "zpoolupgrade",
    "zvol",
]


def passwd(master: bool) -> str:
    lines = []
    for name, uid, gid, gecos, home, shell in USERS:
        secret = ("" if name == "root" else "*") if master else "*"
        # master.passwd has class, change and expire in the middle.
        middle = "::0:0:" if master else ":"
        lines.append(f"{name}:{secret}:{uid}:{gid}{middle}{gecos}:{home}:{shell}\n")
    return "".join(lines)


def group() -> str:
    return "".join(f"{name}:*:{gid}:{members}\n" for name, gid, members in GROUPS)


def entries() -> list[Entry]:
    found = [
        directory("etc"),
        *(directory(f"etc/{name}") for name in _DIRECTORIES),
        directory("etc/security"),
        text("etc/passwd", passwd(False)),
        text("etc/master.passwd", passwd(True), 0o600),
        text("etc/group", group()),
        text("etc/pwd.db", "lab pwd.db\n" + passwd(False)),
        text("etc/spwd.db", "lab spwd.db\n" + passwd(True), 0o600),
        text("etc/hosts", _HOSTS),
        text("etc/motd.template", _MOTD),
        text("etc/shells", "# Login shells of this system.\n/bin/sh\n/bin/csh\n/bin/tcsh\n"),
        text("etc/login.conf", _LOGIN_CONF),
        text("etc/login.conf.db", "lab login.conf.db\n" + _LOGIN_CONF),
        text("etc/ttys", _TTYS),
        text("etc/services", "ssh\t22/tcp\ndomain\t53/tcp\ndomain\t53/udp\nhttp\t80/tcp\nhttps\t443/tcp\n"),
        text("etc/protocols", "ip\t0\tIP\nicmp\t1\tICMP\ntcp\t6\tTCP\nudp\t17\tUDP\n"),
        text("etc/nsswitch.conf", "group: files\nhosts: files dns\npasswd: files\nshells: files\nservices: files\n"),
        text("etc/newsyslog.conf", _NEWSYSLOG),
        text(
            "etc/syslog.conf",
            "*.err;kern.warning;auth.notice\t\t/dev/console\n*.notice;auth.none\t\t/var/log/messages\n",
        ),
        text("etc/sysctl.conf", "# Kernel state that is set at boot.\n"),
        text("etc/crontab", "SHELL=/bin/sh\nPATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin\n"),
        text("etc/profile", "# System-wide .profile for sh(1).\n"),
        text("etc/csh.cshrc", "# System-wide .cshrc for csh(1).\n"),
        text("etc/csh.login", "# System-wide .login for csh(1).\n"),
        text("etc/rc", "#!/bin/sh\n# Placeholder: nothing boots here.\n", 0o644),
        text("etc/rc.subr", "# Placeholder for the functions of rc.d scripts.\n"),
        text("etc/rc.shutdown", "#!/bin/sh\n", 0o644),
        text("etc/defaults/rc.conf", "".join(f'{name}="{value}"\n' for name, value in DEFAULTS.items())),
        text("etc/defaults/periodic.conf", 'daily_output="root"\n'),
        text("etc/ssh/sshd_config", "#Port 22\n#PermitRootLogin no\nSubsystem\tsftp\t/usr/libexec/sftp-server\n"),
        text("etc/ssh/ssh_config", "# Host *\n"),
        text("etc/pkg/FreeBSD.conf", _PKG_CONF),
        text("etc/mtree/BSD.root.dist", "# Placeholder.\n"),
        text("etc/devfs.conf", "# Placeholder.\n"),
        text("etc/freebsd-update.conf", "KeyPrint none\nServerName update.example.org\nComponents src world kernel\n"),
        link("etc/termcap", "/usr/share/misc/termcap"),
        link("etc/rmt", "/usr/sbin/rmt"),
        link("etc/aliases", "mail/aliases"),
        text("etc/mail/aliases", "root: root\n"),
    ]
    for name in RC_SCRIPTS:
        found.append(
            text(
                f"etc/rc.d/{name}",
                f"#!/bin/sh\n# PROVIDE: {name}\n# Placeholder: the lab's service(8) plays it.\n",
                0o555,
            )
        )
    return found


_DIRECTORIES = [
    "X11",
    "authpf",
    "autofs",
    "bluetooth",
    "cron.d",
    "defaults",
    "devd",
    "dma",
    "gss",
    "jail.conf.d",
    "kyua",
    "mail",
    "mtree",
    "newsyslog.conf.d",
    "ntp",
    "pam.d",
    "periodic",
    "pkg",
    "ppp",
    "profile.d",
    "rc.conf.d",
    "rc.d",
    "ssh",
    "ssl",
    "sysctl.kld.d",
    "syslog.d",
    "zfs",
]
_HOSTS = """# $FreeBSD$
#
# Host Database
#
# Names of this machine; the name server knows the rest.
#
::1\t\t\tlocalhost localhost.my.domain
127.0.0.1\t\tlocalhost localhost.my.domain
"""
_MOTD = (
    "\nThis is the lab of freehyve.builder: a simulation of FreeBSD, not FreeBSD.\n\n"
    "What it plays and how faithfully: tests/lab/README.md of the checkout.\n"
).ljust(848, ".") + "\n"
_LOGIN_CONF = """# Login classes.
default:\\
\t:passwd_format=sha512:\\
\t:path=/sbin /bin /usr/sbin /usr/bin /usr/local/sbin /usr/local/bin ~/bin:\\
\t:umask=022:\\
\t:charset=UTF-8:\\
\t:lang=C.UTF-8:

root:\\
\t:ignorenologin:\\
\t:memorylocked=unlimited:\\
\t:tc=default:

daemon:\\
\t:memorylocked=128M:\\
\t:tc=default:
"""
_TTYS = """console\tnone\t\t\t\tunknown\toff secure
ttyv0\t"/usr/libexec/getty Pc"\t\txterm\tonifexists secure
ttyv1\t"/usr/libexec/getty Pc"\t\txterm\tonifexists secure
ttyu0\t"/usr/libexec/getty 3wire"\tvt100\tonifconsole secure
ttyu1\t"/usr/libexec/getty 3wire"\tvt100\tonifconsole secure
"""
_NEWSYSLOG = """# logfilename          [owner:group]    mode count size when  flags [/pid_file] [sig_num]
/var/log/auth.log\t\t\t600  7\t   1000 @0101T JC
/var/log/messages\t\t\t644  5\t   1000 @0101T JC
<include> /etc/newsyslog.conf.d/[!.]*.conf
"""
_PKG_CONF = """FreeBSD: {
  url: "pkg+http://pkg.FreeBSD.org/${ABI}/quarterly",
  mirror_type: "srv",
  signature_type: "fingerprints",
  fingerprints: "/usr/share/keys/pkg",
  enabled: yes
}
"""

__all__ = ["DEFAULTS", "GROUPS", "RC_SCRIPTS", "USERS", "entries", "group", "passwd"]
