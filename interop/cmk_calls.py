"""CloudMonkey's calls against the embedded cloud: as it spells, signs, logs in and polls, and with the configuration that `simulate` prints for it.

With CMK_BINARY set, the real program makes the same calls.
"""

import base64
import configparser
import hashlib
import hmac
import http.cookiejar
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

BINARY = os.environ["CLOUDSTACK_MCP_BINARY"]
CMK = os.environ.get("CMK_BINARY")
POLL_SECONDS = 0.2
POLLS_MAX = 300


class Monkey:
    """Calls as CloudMonkey makes them."""

    def __init__(self, profile):
        self.profile = profile
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.session = None

    def encoded(self, pairs):
        # Go's QueryEscape, then a blank as %20 and a bare star.
        return "&".join(f"{name}={urllib.parse.quote(value, safe='*~-._')}" for name, value in sorted(pairs.items()))

    def call(self, command, **arguments):
        pairs = {"command": command, "response": "json"} | {name.replace("__", "."): str(value) for name, value in arguments.items()}
        if self.profile.get("apikey"):
            pairs["apiKey"] = self.profile["apikey"]
            text = self.encoded(pairs)
            mac = hmac.new(self.profile["secretkey"].encode(), text.lower().encode(), hashlib.sha1).digest()
            text += "&signature=" + urllib.parse.quote(base64.b64encode(mac).decode(), safe="")
        else:
            self.session = self.session or self.login()
            text = self.encoded(pairs | {"sessionkey": self.session})
        with self.opener.open(f"{self.profile['url']}?{text}") as reply:
            body = json.load(reply)
        answer = next(value for name, value in body.items() if name.endswith("response"))
        return self.waited(answer["jobid"]) if "jobid" in answer and command != "queryAsyncJobResult" else answer

    def login(self):
        form = {"command": "login", "username": self.profile["username"], "password": self.profile["password"], "domain": self.profile["domain"], "response": "json"}
        with self.opener.open(self.profile["url"], data=urllib.parse.urlencode(form).encode()) as reply:
            return json.load(reply)["loginresponse"]["sessionkey"]

    def waited(self, job):
        for _ in range(POLLS_MAX):
            state = self.call("queryAsyncJobResult", jobid=job)
            if state["jobstatus"] == 1:
                return state["jobresult"]
            assert state["jobstatus"] == 0, state
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"job {job} does not end")


class Program:
    """The same calls by the program itself."""

    def __init__(self, config, name):
        self.start = [CMK, "-c", config, "-p", name, "-o", "json"]
        subprocess.run([*self.start, "sync"], check=True, capture_output=True, stdin=subprocess.DEVNULL)

    def call(self, command, **arguments):
        words = [f"{name.replace('__', '.')}={value}" for name, value in arguments.items()]
        done = subprocess.run([*self.start, command, *words], check=True, capture_output=True, stdin=subprocess.DEVNULL, text=True)
        return json.loads(done.stdout) if done.stdout.strip() else {}


def use(monkey, name):
    commands = {command["name"]: command for command in monkey.call("listApis")["api"]} if not CMK else None
    assert commands is None or commands["deployVirtualMachine"]["isasync"] is True
    # A destroyed machine keeps its name in its network until it is expunged.
    machine_name = "cmk-" + name.split()[-1]
    zone = monkey.call("listZones")["zone"][0]["id"]
    template = monkey.call("listTemplates", templatefilter="executable")["template"][0]["id"]
    offering = monkey.call("listServiceOfferings")["serviceoffering"][0]["id"]
    machine = monkey.call("deployVirtualMachine", zoneid=zone, templateid=template, serviceofferingid=offering, name=machine_name)["virtualmachine"]
    assert machine["state"] == "Running", machine
    listed = monkey.call("listVirtualMachines", id=machine["id"])
    assert listed["count"] == 1 and listed["virtualmachine"][0]["name"] == machine_name, listed
    disk = monkey.call("listDiskOfferings")["diskoffering"][0]["id"]
    volume = monkey.call("createVolume", name="interop disk", zoneid=zone, diskofferingid=disk)["volume"]["id"]
    attached = monkey.call("attachVolume", id=volume, virtualmachineid=machine["id"])["volume"]
    assert attached["virtualmachineid"] == machine["id"], attached
    monkey.call("createTags", resourceids=machine["id"], resourcetype="UserVm", **{"tags[0]__key": "a b", "tags[0]__value": "c*d"})
    assert monkey.call("listTags", resourceid=machine["id"])["tag"][0]["value"] == "c*d"
    monkey.call("detachVolume", id=volume)
    monkey.call("deleteVolume", id=volume)
    monkey.call("destroyVirtualMachine", id=machine["id"])
    print(f"{'cmk' if CMK else 'CloudMonkey calls'} as {name}: ok", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSTACK_")}
    simulate = [BINARY, "simulate", "--listen", f"127.0.0.1:{free_port()}"]
    text = subprocess.run([*simulate, "--print-cmk-config"], env=environment, check=True, capture_output=True, text=True).stdout
    profiles = configparser.ConfigParser(default_section="core")
    profiles.read_string("[core]\n" + text)
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        server = subprocess.Popen([*simulate, "--output", "json"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            for name in ("admin", "dev"):
                use(Program(config, name) if CMK else Monkey(profiles[name]), name)
            if not CMK:
                by_password = {key: profiles["dev"][key] for key in ("url", "username", "password", "domain")}
                use(Monkey(by_password), "dev by password")
        finally:
            server.terminate()
            server.wait()


main()
