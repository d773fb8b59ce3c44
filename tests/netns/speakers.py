# SPDX-License-Identifier: GPL-2.0-or-later
"""
Servers that are odd, slow, broken or mean, for what asks strangers' ports. A program of its own:

    speakers.py KIND[:PORT]...   serves each, says "ready", then a line for each connection's end
"""
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

KINDS = {}


def kind(function):
    KINDS[function.__name__] = function
    return function


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


@kind
def silent(s):
    while s.recv(4096):
        pass


@kind
def deaf(s):
    time.sleep(60)


@kind
def closes(s):
    pass


@kind
def endless(s):
    noise = random.Random(1).randbytes(1 << 16)
    while True:
        s.sendall(noise)


@kind
def trickles(s):
    while True:
        s.sendall(b"x")
        time.sleep(0.1)


@kind
def greets_late(s):
    time.sleep(0.5)
    s.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
    silent(s)


@kind
def paints(s):
    s.sendall(b"SSH-2.0-OpenSSH_9.2 \x1b]0;owned\x07\x1b[31m\xff\xfe\xe2\x80\xae\r\n")
    silent(s)


@kind
def echoes(s):
    while data := s.recv(4096):
        s.sendall(data)


@kind
def resets(s):
    s.recv(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@kind
def babbles(s):
    s.recv(4096)
    s.sendall(b"what do you mean?\r\n")


@kind
def tls_garbage(s):
    """What begins like a ServerHello, whatever it was told."""
    s.recv(4096)
    s.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03" + random.Random(2).randbytes(16372))
    silent(s)


def http(s):
    request = b""
    while b"\r\n\r\n" not in request:
        data = s.recv(4096)
        if not data:
            return
        request += data
    body = b"<html><title>a  page\x1b[1m</title></html>"
    s.sendall(b"HTTP/1.1 200 OK\r\nServer: nginx/1.2.3\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@kind
def web(s):
    http(s)


@kind
def slow_web(s):
    time.sleep(1.5)
    http(s)


@kind
def tls_web(s):
    with CONTEXT.wrap_socket(s, server_side=True) as t:
        http(t)


@kind
def nginx_tls(s):
    """Says in plain text that it wants TLS, and inside it who it is."""
    if s.recv(1, socket.MSG_PEEK) == b"\x16":
        tls_web(s)
    else:
        s.recv(4096)
        s.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
                  b"The plain HTTP request was sent to HTTPS port")


@kind
def plain_mail(s):
    s.sendall(b"220 mail.example ESMTP Postfix\r\n")
    while line := s.recv(4096):
        s.sendall(b"250 mail.example\r\n" if line.upper().startswith(b"EHLO") else b"502 5.5.2 no\r\n")


@kind
def mail(s):
    s.sendall(b"220 mail.example ESMTP Postfix\r\n")
    while line := s.recv(4096):
        if line.upper().startswith(b"EHLO"):
            s.sendall(b"250-mail.example\r\n250-PIPELINING\r\n")
            time.sleep(0.02)
            s.sendall(b"250 STARTTLS\r\n")
        elif line.upper().startswith(b"STARTTLS"):
            s.sendall(b"220 2.0.0 Ready\r\n")
            with CONTEXT.wrap_socket(s, server_side=True) as t:
                silent(t)
            return
        else:
            s.sendall(b"502 5.5.2 Error: command not recognized\r\n")


def make_context():
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3",
                        "-keyout", f"{d}/key", "-out", f"{d}/cert", "-subj", "/CN=www.example",
                        "-addext", "subjectAltName=DNS:a.example,DNS:b.example,IP:192.0.2.1"],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{d}/cert", f"{d}/key")
    return context


def serve_one(name, port, s, alone):
    began = time.monotonic()
    try:
        with s:
            KINDS[name](s)
    except (OSError, ssl.SSLError):
        pass
    say("end", port, f"{time.monotonic() - began:.3f}", "alone" if alone else "others")


def serve(name, port, listener):
    """`hung-N` accepts nothing, and has a backlog of N. `single:KIND` has one worker only, as a gunicorn of one."""
    single = name.startswith("single-")
    name = name.removeprefix("single-")
    count = 0
    while True:
        s, _ = listener.accept()
        count += 1
        if single:
            serve_one(name, port, s, True)
        else:
            threading.Thread(target=serve_one, args=(name, port, s, False), daemon=True).start()


def serve_udp(name, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", port))
    while True:
        data, peer = s.recvfrom(4096)
        if name == "udp_radius" and data[:2] == b"\x01p":  # as FreeRADIUS refuses
            reject = b"\x03" + data[1:2] + struct.pack("!H", 20) + bytes(16)
            threading.Timer(1, s.sendto, (reject, peer)).start()
        if name.startswith("udp_echoes_after_"):
            threading.Timer(float(name.removeprefix("udp_echoes_after_")), s.sendto, (data, peer)).start()
        elif name == "udp_echoes":
            s.sendto(data, peer)
        elif name == "udp_elsewhere":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(data, peer)


def start(ns, *kinds, first=40000):
    """Serves these in the namespace, on the ports `first`, `first` + 1 ...: (the process, the ports)."""
    ports = list(range(first, first + len(kinds)))
    p = ns.start([sys.executable, __file__, *(f"{k}:{n}" for k, n in zip(kinds, ports))], ready=True)
    assert p.line.strip() == "ready"
    return p, ports


def main():
    global CONTEXT
    words = [w.split(":") for w in sys.argv[1:]]
    if any(name in ("tls_web", "mail", "nginx_tls", "single-tls_web") for name, _ in words):
        CONTEXT = make_context()
    for name, port in words:
        port = int(port)
        if name.startswith("udp_"):
            threading.Thread(target=serve_udp, args=(name, port), daemon=True).start()
            continue
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        if name.startswith("hung-"):
            listener.listen(int(name.removeprefix("hung-")))
            HUNG.append(listener)
            continue
        threading.Thread(target=serve, args=(name, port, listener), daemon=True).start()
    say("ready")
    for line in sys.stdin:  # back in the order of what is told
        say(line.strip())


CONTEXT = None
HUNG = []
if __name__ == "__main__":
    main()
