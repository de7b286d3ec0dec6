"""A CloudStack client that knows nothing of this project, against the embedded cloud: lists, deploys, waits, destroys."""

import json
import os
import subprocess

from cs import CloudStack

BINARY = os.environ["CLOUDSTACK_MCP_BINARY"]


def main():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSTACK_")}
    command = [BINARY, "simulate", "--listen", "127.0.0.1:0", "--vms", "30", "--output", "json"]
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        cloud = json.loads(server.stdout.readline())
        for identity in cloud["identities"]:
            if identity["name"] in ("admin", "dev"):
                use(cloud["url"], identity)
    finally:
        server.terminate()
        server.wait()


def use(url, identity):
    cs = CloudStack(endpoint=url, key=identity["apikey"], secret=identity["secretkey"], poll_interval=0.2, job_timeout=60)
    zone = cs.listZones()["zone"][0]
    template = cs.listTemplates(templatefilter="executable")["template"][0]
    offering = cs.listServiceOfferings()["serviceoffering"][0]
    before = cs.listVirtualMachines(fetch_list=True, listall=True)
    job = cs.deployVirtualMachine(zoneid=zone["id"], templateid=template["id"], serviceofferingid=offering["id"], name="interop-cs", fetch_result=True)
    machine = job["virtualmachine"]
    assert machine["state"] == "Running" and machine["zonename"] == zone["name"], machine
    after = cs.listVirtualMachines(fetch_list=True, listall=True)
    assert len(after) == len(before) + 1, (len(before), len(after))
    # No `~`: this client signs it in a form that real servers refuse too.
    cs.createTags(resourceids=machine["id"], resourcetype="UserVm", tags=[{"key": "a b+c", "value": "ü */"}], fetch_result=True)
    tag = cs.listTags(resourceid=machine["id"])["tag"][0]
    assert (tag["key"], tag["value"]) == ("a b+c", "ü */"), tag
    disk = cs.listDiskOfferings()["diskoffering"][0]
    volume = cs.createVolume(name="interop disk", zoneid=zone["id"], diskofferingid=disk["id"], fetch_result=True)["volume"]
    attached = cs.attachVolume(id=volume["id"], virtualmachineid=machine["id"], fetch_result=True)["volume"]
    assert attached["virtualmachineid"] == machine["id"] and attached["state"] == "Ready", attached
    assert [row["id"] for row in cs.listVolumes(virtualmachineid=machine["id"], type="DATADISK")["volume"]] == [volume["id"]]
    cs.detachVolume(id=volume["id"], fetch_result=True)
    cs.deleteVolume(id=volume["id"])
    cs.destroyVirtualMachine(id=machine["id"], fetch_result=True)
    print(f"cs as {identity['name']}: ok, {len(before)} machines", flush=True)


main()
