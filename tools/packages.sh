# SPDX-License-Identifier: GPL-2.0-or-later
# What portero is built and tested with, as Debian 12 packages. Sourced by ./run, ./check and
# .ci/run; the one place where a package is named.

BUILD_PACKAGES="gcc libc6-dev make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev
	linux-libc-dev libmnl-dev libmd-dev libjansson-dev libyaml-dev libsodium-dev libpcre2-dev
	libssl-dev libseccomp-dev gettext nftables"
TEST_PACKAGES="libcmocka-dev python3 python3-pytest python3-scapy python3-jsonschema python3-yaml iproute2 lsof procps nmap
	util-linux systemd nginx-light openssh-server locales zsh fish
	iptables ipset nftables arptables ndiff libxml2-utils"
VM_PACKAGES="qemu-system-x86 busybox-static"
# Series whose newest kernel (linux-image-SERIES.*-cloud-amd64) the tests in virtual machines fetch
# and unpack, without installing it. Those that no configured archive has are skipped.
VM_KERNELS="5.10 6.1 6.12"
# The firewall front ends whose rules portero is tried on. Never installed on the machine: see
# tests/frontends/make-layer.
FRONTEND_PACKAGES="ufw firewalld dbus docker.io podman netavark aardvark-dns conmon runc crun
	containernetworking-plugins fail2ban python3-systemd busybox-static ipset iptables nftables"
# The daemons that service detection is tried on, not installed on the machine either; the first are
# small and few. "unpack:" where apt would not have both.
DAEMON_PACKAGES="openssh-server nginx-light lighttpd redis-server memcached rsync mosquitto
	microsocks unbound dnsmasq-base snmpd dovecot-imapd dovecot-pop3d vsftpd tinyproxy ngircd"
MORE_DAEMON_PACKAGES="$DAEMON_PACKAGES apache2-bin avahi-daemon beanstalkd bind9 caddy coturn cups-daemon
	dante-server default-jre-headless docker.io dropbear-bin etcd-server freeradius
	gearman-job-server git gpsd gunicorn haproxy icecast2 influxdb iperf3 jupyter-notebook kamailio knot krb5-kdc
	libcoap3-bin libgnutls-dane0 mariadb-server mini-httpd minidlna monit mpd
	munin-node nagios-nrpe-server nats-server nbd-server nsd ntpsec nut-server oidentd openbsd-inetd
	inetutils-telnetd fingerd openvpn pdns-server pdns-backend-bind php8.2-cli postfix postgresql-15 privoxy
	prometheus prometheus-node-exporter prosody python3-werkzeug rabbitmq-server radicale
	rpcbind samba slapd squid stunnel4 subversion tftpd-hpa tomcat10 tor transmission-daemon uvicorn
	varnish webfs x11vnc xauth xrdp xvfb zabbix-agent zookeeper
	libidn12 libhiredis0.14 libmemcached11 libmemcachedutil2 libowfat0 libtre5 libhttp-parser2.9 libmaxminddb0
	unpack:chrony unpack:exim4-daemon-light unpack:proftpd-core unpack:pure-ftpd
	unpack:pure-ftpd-common unpack:opentracker unpack:pgbouncer"
# What `make bench` compares with; without it that part is left out, with a note.
BENCH_PACKAGES="nmap masscan zmap"
LINT_PACKAGES="clang-format clang-tidy cppcheck libclang-rt-14-dev git man-db"

# need_packages NAME...: installs with apt those that are not there; quiet when all are.
need_packages() {
	missing=
	if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
		# another distribution: the compiler will tell what is missing; say what is needed
		if [ "$(cat build/.packages-told 2>/dev/null)" != "$*" ]; then
			echo "This is not Debian: install the equivalents of these packages yourself:" >&2
			echo "	$*" | tr -s ' \t\n' ' ' >&2
			echo >&2
			mkdir -p build && echo "$*" >build/.packages-told
		fi
		return 0
	fi
	for package in "$@"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=none
		[ "$state" = installed ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "These packages are missing:$missing" >&2
		echo "Install them (sudo apt-get install$missing), or run this script with sudo." >&2
		exit 2
	fi
	echo "Installing:$missing"
	# No daemon of a package that the tests need may be started by its installation.
	policy=/usr/sbin/policy-rc.d
	apt_log=$(mktemp)
	made_policy=
	# left behind, the policy would keep every later package's service from starting
	trap 'rm -f "$apt_log" $made_policy' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	if [ ! -e $policy ]; then
		made_policy=$policy
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	status=0
	install_missing >"$apt_log" 2>&1 || status=$?
	if [ $status -ne 0 ]; then
		cat "$apt_log" >&2
		echo "The packages could not be installed; the reason is above." >&2
		exit 2
	fi
	rm -f "$apt_log" $made_policy
	trap - EXIT INT TERM HUP
}

install_missing() {
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086
	apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends $missing </dev/null ||
		{ apt-get -o DPkg::Lock::Timeout=300 update -q &&
			apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends $missing </dev/null; }
}

# quietly COMMAND...: shows what the command printed only when it fails.
quietly() {
	quiet_log=$(mktemp)
	if "$@" >"$quiet_log" 2>&1; then
		rm -f "$quiet_log"
		return 0
	fi
	cat "$quiet_log" >&2
	rm -f "$quiet_log"
	echo "failed: $*" >&2
	return 1
}
