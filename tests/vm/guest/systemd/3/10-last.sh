show uptime cat /proc/uptime
