# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Usage texts: poudriere's own and jail's as recorded, the others only the first lines that name the parameters."""

from __future__ import annotations

TOP = """\
Usage: poudriere [-ANv] [-e etcdir] [-s var[=value]] command [options]

Options:
    -A           -- Force colors, even if not in a TTY
    -e etcdir    -- Specify an alternate etc/ dir where poudriere configuration
                    resides.
    -N           -- Disable colors
    -s var       -- Inherit var default from environment.
    -s var=value -- Set var default to given value.
    -v           -- Be verbose; show more information. Use twice to enable
                    debug output
Commands:
    audit        -- Audit the packages in the repository
    bulk         -- Generate packages for given ports
    distclean    -- Remove old distfiles
    daemon       -- Launch the poudriere daemon
    help         -- Show usage
    image        -- Generate images
    jail         -- Manage the jails used by poudriere
    logclean     -- Remove old logfiles
    ports        -- Create, update or delete the portstrees used by poudriere
    pkgclean     -- Remove packages that are no longer needed
    options      -- Configure ports options
    queue        -- Queue a build request
    repo         -- Regenerate repository
    status       -- Get the status of builds
    testport     -- Launch a test build of a given port
    version      -- Show the version of poudriere
"""

JAIL = """\
poudriere jail [parameters] [options]

Parameters:
    -c            -- Create a jail
    -d            -- Delete a jail
    -i            -- Show information about a jail
    -l            -- List all available jails
    -s            -- Start a jail
    -k            -- Stop a jail
    -u            -- Update a jail
    -r newname    -- Rename a jail

Options:
    -b            -- Build the OS (only for use with -m src)
    -B            -- Build the pkgbase set (only for use with -c, and
                     -b -m src=path or -m git|svn)
    -q            -- Quiet (Do not print the header)
    -n            -- Print only jail name (for use with -l)
    -J n          -- Run buildworld in parallel with n jobs.
    -j jailname   -- Specify the jailname
    -v version    -- Specify which version of FreeBSD to install in the jail.
    -a arch       -- Indicates the TARGET_ARCH of the jail. Such as i386 or
                     amd64. Format of TARGET.TARGET_ARCH is also supported.
                     (Default: same as the host)
    -f fs         -- FS name (tank/jails/myjail) if fs is "none" then do not
                     create on ZFS.
    -K kernel     -- Build the jail with the kernel
    -M mountpoint -- Mountpoint
    -m method     -- When used with -c, overrides the default method for
                     obtaining and building the jail. See poudriere(8) for more
                     details. Can be one of:
                       'ftp-archive', 'ftp', 'freebsdci', 'http', 'null',
\t\t       'src=PATH', 'tar=PATH', 'url=URL', 'pkgbase[=repo]' or
\t\t       '{git,svn}{,+http,+https,+file,+ssh}' (e.g., 'git+https').
                     The default is 'http'.
    -P patch      -- Specify a patch to apply to the source before building.
    -S srcpath    -- Specify a path to the source tree to be used.
    -D            -- Do a full git clone without --depth (default: --depth=1)
    -t version    -- Version of FreeBSD to upgrade the jail to.
    -U url        -- Specify a url to fetch the sources (with method git, svn and pkgbase).
    -X            -- Do not build and setup native-xtools cross compile tools in jail
                     when building for a different TARGET ARCH than the host.
                     Only applies if TARGET_ARCH and HOST_ARCH are different.

Options for -d:
    -C data      -- Clean remaining data existing in poudriere data directory.
                     See poudriere-jail(8) for more details. Can be one of:
                       all, cache, images, logs, packages, wrkdirs
    -y            -- Do not prompt for confirmation when deleting a jail.

Options for -s and -k:
    -p tree       -- Specify which ports tree to start/stop the jail with.
    -z set        -- Specify which SET the jail to start/stop with.
"""

PORTS = """\
poudriere ports [parameters] [options]

Parameters:
    -c            -- Create a ports tree.
    -d            -- Delete a ports tree.
    -l            -- List all available ports trees.
    -u            -- Update a ports tree.
"""

BULK = """\
poudriere bulk [options] [-a|-f file|cat/port ...]

Parameters:
    -a          -- Build the whole ports tree
    -f file     -- Get the list of ports to build from a file
    [ports...]  -- List of ports to build on the command line
"""

STATUS = """\
poudriere status [options]
"""

REPO = """\
poudriere repo [options]
"""

PKGCLEAN = """\
poudriere pkgclean [options] [-f file|cat/port ...]
"""

LOGCLEAN = """\
poudriere logclean [options] <days | -a | -N count>
"""

DISTCLEAN = """\
poudriere distclean [options] [-a|-f file|cat/port ...]
"""

OPTIONS = """\
poudriere options [options] [-f file|cat/port ...]
"""

QUEUE = """\
poudriere queue poudriere_command
"""

IMAGE = """\
poudriere image [parameters] [options]
"""

TESTPORT = """\
poudriere testport [parameters] [options]
"""

AUDIT = """\
poudriere audit [-z <set>] [-p <ports tree>] -j <jail>
"""
