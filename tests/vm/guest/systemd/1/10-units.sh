# SPDX-License-Identifier: GPL-2.0-or-later
# modules: nf_tables autofs4
# programs: nft ip
show units systemctl --no-pager list-units --all
show ps ps
show mount mount
show boxed sh -c 'systemd-run --collect --unit=boxed -p ProtectSystem=full -p ProtectHome=yes -p ProtectControlGroups=yes -p "RestrictAddressFamilies=AF_NETLINK AF_UNIX" -p SystemCallFilter=@system-service -p MemoryDenyWriteExecute=yes sleep 100; sleep 1; systemctl status boxed'
show portero portero restore
show restore systemctl start portero.service
show status systemctl status --no-pager portero
show dmesg dmesg
