"""A real nginx with the configuration that we ship.

Needs the program `nginx` (Debian package nginx). Without it the tests that use it fail: nothing else proves the files.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from security.pki import Pki
from security.tlsworld import BACK, FRONT
from servers import free_port
from timing import START, until

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nginx"


def nginx_program() -> str:
    """Where nginx is."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert found, "nginx is needed: apt-get install nginx"
    return found


class Proxy:
    """nginx in front of a world of its own."""

    def __init__(self, pki: Pki, folder: Path, upstream: int, rate: str = "10r/s") -> None:
        """`rate` takes the place of the shipped limit on opened visits."""
        self.port = free_port()
        front, front_key = pki.issuing.issue(FRONT).write(folder, "front")
        back, back_key = pki.issuing.issue(BACK).write(folder, "back")
        values = {
            "GATEWAY_UPSTREAM": f"127.0.0.1:{upstream}",
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "GATEWAY_NGINX": SHIPPED,
            "GATEWAY_FRONT_HOST": FRONT,
            "GATEWAY_FRONT_CERTIFICATE": front,
            "GATEWAY_FRONT_KEY": front_key,
            "GATEWAY_BACK_HOST": BACK,
            "GATEWAY_BACK_CERTIFICATE": back,
            "GATEWAY_BACK_KEY": back_key,
            "GATEWAY_TRUST": pki.trust,
            "GATEWAY_LOG": folder,
        }
        template = (SHIPPED / "gateway.conf.template").read_text()
        assert "rate=10r/s;" in template
        template = template.replace("rate=10r/s;", f"rate={rate};")
        (folder / "gateway.conf").write_text(re.sub(r"\$\{(GATEWAY_\w+)\}", lambda m: str(values[m[1]]), template))
        user = "user root root;\n" if os.geteuid() == 0 else ""  # the folders of pytest are for their owner only
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log warn;\n"
            f"events {{ worker_connections 64; }}\nhttp {{\n{temporary}include {folder}/gateway.conf;\n}}\n"
        )
        self._command = [
            nginx_program(),
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]

    def __enter__(self) -> "Proxy":
        checked = subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "warn" not in checked.stderr, checked.stderr
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        assert until(self._answers, START), "nginx did not start"
        return self

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
