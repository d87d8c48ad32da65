"""A machine in a folder, on which what the docs say is done, word by word.

Its paths and ports stand for those that the docs name. ``sudo`` does what it is told, ``useradd``
makes no account, ``systemctl`` starts the units' processes itself, and ``editor`` is a person who
fills in the environment. All else is the real thing.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from config.embedded.network import free_port
from config.embedded.portal import PROJECT
from config.embedded.processes import Child, stop
from config.embedded.services import bring_up
from tests.production.servers import PASSWORD, PgBouncer, PlainPostgres, PlainRedis

DOC = PROJECT / "docs/operations.md"
FOLDERS = (
    "/opt/portal", "/etc/portal", "/var/lib/portal", "/var/backups/portal", "/etc/systemd/system",
    "/etc/nginx/conf.d", "/etc/ssl/portal",
)  # fmt: skip
PORTS = ("8001", "8002", "8101", "5432", "6432", "6379", "443", "80")
HOST = "runs.example.org"
DATABASE_PASSWORD = "of-the-portal-4711"


def blocks(page: str, *, until: str = "") -> list[str]:
    """The commands of the page, by fenced block, those in lists too; up to a heading."""
    text = page.partition(f"\n## {until}\n")[0] if until else page
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", text, re.M | re.S)
    return [re.sub(rf"^{indent}", "", body, flags=re.M) for indent, body in found]


class Machine:
    def __init__(self, root: Path, *, own_packages: bool = False, **environment: str) -> None:
        """`own_packages`: install what the lock file names, rather than take what is there."""
        root.chmod(0o711)
        self.root, self._environment = root, environment
        self._own_packages = own_packages
        self.ports = {port: str(free_port()) for port in PORTS}
        self.has_nginx = shutil.which("nginx") is not None
        self.has_pgbouncer = PgBouncer.is_installed()
        if not self.has_pgbouncer:
            self.ports["6432"] = self.ports["5432"]
        for folder in (*FOLDERS, "/log", "/run", "/bin"):
            self.path(folder).mkdir(parents=True, exist_ok=True)
        self._copy_project()
        self._make_shims()
        self._make_certificate()
        self.postgres = PlainPostgres(root, int(self.ports["5432"]))
        self.redis = PlainRedis(root, int(self.ports["6379"]))
        self.pgbouncer = PgBouncer(
            root,
            int(self.ports["6432"]),
            self.told((PROJECT / "docs/deploy/pgbouncer.ini").read_text()),
            DATABASE_PASSWORD,
        )
        self.servers: dict[str, Child] = {}

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def port(self, named: int) -> int:
        return int(self.ports[str(named)])

    def told(self, text: str) -> str:
        """What the docs say, with this machine's paths, ports and passwords."""
        for folder in FOLDERS:
            text = text.replace(folder, str(self.path(folder)))
        text = text.replace(f"{HOST}:443:", f"{HOST}:{self.ports['443']}:")
        text = text.replace(f"https://{HOST}/", f"https://{HOST}:{self.ports['443']}/")
        text = re.sub(r"listen (80|443)\b", lambda m: f"listen {self.ports[m[1]]}", text)
        ports = "|".join(p for p in PORTS if len(p) == 4)
        text = re.sub(rf"\b({ports})\b", lambda m: self.ports[m[1]], text)
        return text.replace("'change-me'", f"'{DATABASE_PASSWORD}'")

    def start_servers(self) -> None:
        for name in ("postgres", "redis", *(["pgbouncer"] if self.has_pgbouncer else [])):
            self.servers[name] = bring_up(getattr(self, name))

    def run(self, *scripts: str, seconds: float = 600) -> str:
        """In one shell, as an operator types them."""
        text = "\n".join(f"echo '--- {n}'\n{self.told(s)}" for n, s in enumerate(scripts, 1))
        if not self._own_packages:
            text = text.replace("python3 config/embedded/install.py", "true")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], env=self.shell_environment(), cwd=self.root,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6_000:] + self.ends_of_logs()
        return done.stdout

    def portal_environment(self) -> dict[str, str]:
        lines = self.path("/etc/portal/portal.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))

    def systemctl(self, *words: str) -> None:
        self.run(f"systemctl {' '.join(words)}")

    def await_ready(self, port: int, path: str = "/readyz", seconds: float = 60) -> None:
        """As a load balancer asks, and the docs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with suppress(OSError, http.client.HTTPException):
                asking.request("GET", path)
                if asking.getresponse().status == 200:
                    return
            time.sleep(0.2)
        raise AssertionError(f"port {port} is not ready:{self.ends_of_logs()}")

    def pid(self, unit: str) -> int:
        return int((self.root / "run" / f"{self.told(unit)}.service.pid").read_text())

    def ends_of_logs(self, count: int = 12) -> str:
        logs = sorted((self.root / "log").glob("*.log"))
        ends = (log.read_text(errors="replace").splitlines()[-count:] for log in logs)
        return "".join(
            f"\n== {log.name}\n" + "\n".join(e) for log, e in zip(logs, ends, strict=True)
        )

    def end(self) -> None:
        units = [path.name.removesuffix(".keeper") for path in (self.root / "run").glob("*.keeper")]
        services = [unit for unit in units if unit.endswith(".service")]
        if services:
            self.systemctl("stop", *services)
        pid = self.root / "run/nginx.pid"
        if pid.exists() and pid.read_text().strip():
            self.run("nginx -s stop")
        stop(self.servers.values(), grace=15)

    def shell_environment(self) -> dict[str, str]:
        path = f"{self.root}/bin:{self.postgres.programs}:{os.environ['PATH']}"
        return {
            "PATH": path, "HOME": str(self.root), "MACHINE": str(self.root), "LC_ALL": "C.UTF-8",
            "PGHOST": "127.0.0.1", "PGPORT": self.ports["5432"], "PGUSER": "postgres",
            "PGPASSWORD": PASSWORD, "PGDATABASE": "postgres",
        }  # fmt: skip

    # -- How it is made ----------------------------------------------------------------------

    def _copy_project(self) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=PROJECT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        target = self.path("/opt/portal")
        for name in filter(None, listed.stdout.split("\0")):
            if name.startswith("docs/screenshots") or not (PROJECT / name).is_file():
                continue
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy)
        if not self._own_packages:
            (target / ".venv").symlink_to((PROJECT / ".venv").resolve())
        deploy = target / "docs/deploy"
        for file in (p for p in deploy.rglob("*") if p.is_file()):
            file.write_text(self.told(file.read_text()))

    def _make_shims(self) -> None:
        python = sys.executable
        nginx = self.path("/nginx")
        nginx.mkdir()
        (nginx / "nginx.conf").write_text(NGINX.format(root=self.root))
        shims = {
            # Nobody is another account here.
            "sudo": 'while [ "$1" = -u ]; do shift 2; done\nexec "$@"',
            "useradd": "exit 0",
            "install": OWNERLESS_INSTALL,
            "editor": f'exec "{python}" "{self.path("/bin/fill_in.py")}" "$1"',
            "systemctl": f'exec "{python}" "{PROJECT}/tests/production/systemctl.py" "$@"',
            "nginx": OWN_NGINX.format(root=self.root) if self.has_nginx else "exit 0",
        }
        for name, body in shims.items():
            file = self.path(f"/bin/{name}")
            file.write_text(f"#!/bin/bash\n{body}\n")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        extra = "\n".join(f"{name}={value}" for name, value in self._environment.items())
        self.path("/bin/fill_in.py").write_text(
            FILL_IN.format(password=DATABASE_PASSWORD, extra=extra)
        )

    def _make_certificate(self) -> None:
        folder = self.path("/etc/ssl/portal")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext",
             f"subjectAltName=DNS:{HOST}", "-keyout", folder / "portal.key", "-out",
             folder / "portal.crt"],
            check=True, capture_output=True,
        )  # fmt: skip


OWNERLESS_INSTALL = """\
words=()
while [ $# -gt 0 ]; do
    case "$1" in -o|-g) shift 2 ;; *) words+=("$1"); shift ;; esac
done
exec /usr/bin/install "${words[@]}"
"""
OWN_NGINX = """\
if [ "$*" = "-s reload" ] && [ ! -s {root}/run/nginx.pid ]; then
    exec /usr/sbin/nginx -p {root}/nginx -c {root}/nginx/nginx.conf
fi
exec /usr/sbin/nginx -p {root}/nginx -c {root}/nginx/nginx.conf "$@"
"""
NGINX = """\
user root;
pid {root}/run/nginx.pid;
error_log {root}/log/nginx.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ text/css css; text/javascript js; image/svg+xml svg; font/woff2 woff2; }}
    client_body_temp_path {root}/nginx/body;
    proxy_temp_path {root}/nginx/proxy;
    fastcgi_temp_path {root}/nginx/fastcgi;
    uwsgi_temp_path {root}/nginx/uwsgi;
    scgi_temp_path {root}/nginx/scgi;
    include {root}/etc/nginx/conf.d/*.conf;
}}
"""
FILL_IN = '''\
"""What a person does with the environment."""
import re, secrets, sys
from pathlib import Path
file = Path(sys.argv[1])
text = file.read_text()
text = re.sub("(?m)^SECRET_KEY=.*", f"SECRET_KEY={{secrets.token_hex(40)}}", text)
text = text.replace("portal:change-me@", "portal:{password}@")
file.write_text(text + """{extra}
""")
'''
