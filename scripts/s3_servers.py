"""S3 servers that others wrote, started for one check and stopped after it.

moto (`pip install 'moto[server]'`) in auth mode checks every signature. radosgw is Ceph's production
gateway: on Debian, `apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common`;
a cluster of one monitor and one OSD in memory is made in a temporary folder. Neither listens beyond
the loopback interface.
"""

import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ACCESS_KEY = "APPORTIONCHECKKEY000"
SECRET_KEY = "apportion-check-secret-key-0000000000000"


@dataclasses.dataclass
class Server:
    """A running server and what a process needs to reach it."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str

    def environment(self):
        return {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self):
        import boto3
        from botocore.config import Config
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process, seconds=60):
    """Until the port answers; an early end of the process is an error with its output."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers on port {port}")


@contextlib.contextmanager
def running(*arguments, log, **options):
    """A process that ends with the block."""
    with open(log, "ab") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def moto(authenticated=True):
    """moto; when `authenticated`, from here on every request needs a valid signature."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "moto.log"
        # Unsigned actions are allowed until the user exists; then the count is set to none.
        environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with running(*command, log=log, env=environment) as process:
            wait_for(port, process)
            endpoint = f"http://127.0.0.1:{port}"
            if not authenticated:
                yield Server("moto", endpoint, ACCESS_KEY, SECRET_KEY)
                return
            key = moto_user(endpoint)
            post(port, "/moto-api/reset-auth", b"0")
            yield Server("moto in auth mode", endpoint, key["AccessKeyId"], key["SecretAccessKey"])


def moto_user(endpoint):
    import boto3
    iam = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1",
                       aws_access_key_id="setup", aws_secret_access_key="setup")
    iam.create_user(UserName="apportion")
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="apportion", PolicyName="s3", PolicyDocument=json.dumps(allow))
    return iam.create_access_key(UserName="apportion")["AccessKey"]


def post(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise RuntimeError(f"POST {path}: {answer.status} {answer.read()[:200]}")


class Careless(http.server.BaseHTTPRequestHandler):
    """Passes requests on without their conditions, as servers do that do not know them."""

    protocol_version = "HTTP/1.1"
    port = 0

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        dropped = {"if-none-match", "if-match", "connection", "transfer-encoding"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        # The answer to HEAD has the length of what it does not send.
        length = answer.getheader("content-length") if self.command == "HEAD" else len(content)
        self.send_header("content-length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def careless_moto():
    """A server that answers conditional writes as if they had no condition."""
    with moto(authenticated=False) as server:
        handler = type("Handler", (Careless,), {"port": int(server.endpoint.rsplit(":", 1)[1])})
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            endpoint = f"http://127.0.0.1:{proxy.server_port}"
            yield Server("a server that ignores conditions", endpoint, ACCESS_KEY, SECRET_KEY)
        finally:
            proxy.shutdown()
            proxy.server_close()


RADOSGW = ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool"]


def radosgw_missing():
    """The programs of Ceph that are not installed."""
    return [name for name in RADOSGW if shutil.which(name) is None]


CEPH_CONF = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_v2}/0,v1:127.0.0.1:{mon_v1}/0]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/$name.keyring
admin socket = {folder}/$name.$pid.asok
log file = {folder}/$name.log
pid file = {folder}/$name.pid
run dir = {folder}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
osd crush chooseleaf type = 0
mon warn on insecure global id reclaim = false
ms bind ipv4 = true
setuser match path = {folder}/none
[mon.a]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd max object name len = 256
osd max object namespace len = 64
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 32
rgw dns name = localhost
"""


@contextlib.contextmanager
def radosgw():
    """Ceph's gateway over one OSD in memory."""
    # Sockets have short names; the default temporary folder may be too deep.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="rgw-") as folder, contextlib.ExitStack() as stack:
        port, log = free_port(), f"{folder}/output.log"
        conf = f"{folder}/ceph.conf"
        fsid = "00000000-0000-4000-8000-000000000001"
        mon_v1, mon_v2 = free_port(), free_port()
        pathlib.Path(conf).write_text(CEPH_CONF.format(
            fsid=fsid, folder=folder, port=port, mon_v1=mon_v1, mon_v2=mon_v2))

        def call(*arguments):
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
            if done.returncode:
                raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()[-500:]}")
            return done.stdout

        def ceph(*arguments):
            return call("ceph", "-c", conf, "--name", "client.admin", *arguments)

        admin, mon_keys = f"{folder}/client.admin.keyring", f"{folder}/mon.keys"
        call("ceph-authtool", "--create-keyring", mon_keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        call("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin",
             *[word for daemon in ("mon", "osd", "mgr", "mds") for word in ("--cap", daemon, "allow *")])
        call("ceph-authtool", mon_keys, "--import-keyring", admin)
        addresses = f"[v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]"
        call("monmaptool", "--create", "--addv", "a", addresses, "--fsid", fsid, f"{folder}/monmap")
        call("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", f"{folder}/monmap", "--keyring", mon_keys)
        shutil.copy(mon_keys, f"{folder}/mon.a.keyring")
        mon = stack.enter_context(running("ceph-mon", "-c", conf, "-i", "a", "-f", log=log))
        wait_for(mon_v1, mon)
        ceph("osd", "new", fsid)
        osd_key = f"{folder}/osd.0.keyring"
        pathlib.Path(osd_key).write_text(ceph(
            "auth", "get-or-create", "osd.0", "mon", "allow profile osd", "osd", "allow *"))
        pathlib.Path(f"{folder}/osd").mkdir()
        call("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", fsid)
        stack.enter_context(running("ceph-osd", "-c", conf, "-i", "0", "-f", log=log))
        deadline = time.monotonic() + 60
        while json.loads(ceph("osd", "stat", "-f", "json"))["num_up_osds"] < 1:
            if time.monotonic() > deadline:
                raise RuntimeError("the OSD does not come up")
            time.sleep(0.3)
        rgw_key = f"{folder}/client.rgw.keyring"
        pathlib.Path(rgw_key).write_text(ceph(
            "auth", "get-or-create", "client.rgw", "mon", "allow rwx", "osd", "allow rwx"))
        gateway = stack.enter_context(running("radosgw", "-c", conf, "-n", "client.rgw", "-f", log=log))
        wait_for(port, gateway, 120)
        call("radosgw-admin", "-c", conf, "-n", "client.rgw", "user", "create", "--uid", "apportion",
             "--display-name", "apportion", "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
        yield Server("Ceph radosgw", f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY)
