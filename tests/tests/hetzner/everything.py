"""Does with the library `hcloud` what it can do: every kind is made, found, changed, used and deleted.

HCLOUD_ENDPOINT and HCLOUD_TOKEN say where. Ends with an error at the first thing that is not as it should be.
"""

import datetime
import os
import sys

from hcloud import APIException, Client
from hcloud.firewalls import FirewallResource, FirewallResourceLabelSelector, FirewallRule
from hcloud.images import Image
from hcloud.load_balancer_types import LoadBalancerType
from hcloud.load_balancers import (
    LoadBalancerAlgorithm,
    LoadBalancerHealthCheck,
    LoadBalancerService,
    LoadBalancerTarget,
    LoadBalancerTargetLabelSelector,
)
from hcloud.locations import Location
from hcloud.networks import NetworkRoute, NetworkSubnet
from hcloud.server_types import ServerType
from hcloud.servers import ServerCreatePublicNetwork

client = Client(
    token=os.environ["HCLOUD_TOKEN"], api_endpoint=os.environ["HCLOUD_ENDPOINT"], poll_interval=0.02
)
PUBLIC_KEY, CERTIFICATE, PRIVATE_KEY = sys.argv[1:4]
HERE = Location(name="fsn1")
LABELS = {"cluster": "a"}


def wait(answer):
    """Waits for every action of an answer, and returns the answer."""
    for name in ("action", "next_actions", "actions"):
        found = getattr(answer, name, None)
        for action in found if isinstance(found, list) else [found]:
            if action is not None:
                action.wait_until_finished(max_retries=200)
    return answer


def done(actions):
    for action in actions if isinstance(actions, list) else [actions]:
        action.wait_until_finished(max_retries=200)


def fails(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except APIException as error:
        assert error.code == code, f"{error.code} and not {code}: {error.message}"
        assert error.correlation_id, "the error has no correlation ID"
        return
    raise AssertionError(f"{call.__name__} did not fail with {code}")


def change(kind, one):
    """What all kinds have in common."""
    assert kind.get_by_id(one.id).id == one.id
    assert kind.get_by_name(one.name).id == one.id
    renamed = kind.update(one, name=one.name + "-2", labels={**LABELS, "more": "x"})
    assert renamed.name == one.name + "-2"
    assert [found.id for found in kind.get_all(label_selector="more=x,cluster in (a,b)")] == [one.id]
    kind.update(one, name=one.name, labels=LABELS)
    if hasattr(kind, "get_actions"):
        assert isinstance(kind.get_actions(one), list)


# What is there.
assert {location.name for location in client.locations.get_all()} >= {"fsn1", "nbg1", "hel1", "ash"}
kind = client.server_types.get_by_name("cx23")
assert kind.locations[0].available and kind.architecture == "x86"
assert client.images.get_by_name_and_architecture("ubuntu-24.04", "arm").architecture == "arm"
assert client.isos.get_all() and client.load_balancer_types.get_by_name("lb11").max_targets == 25
fails("deprecated_api_endpoint", client.actions.get_all)

# SSH keys
key = client.ssh_keys.create(name="me", public_key=PUBLIC_KEY, labels=LABELS)
change(client.ssh_keys, key)
assert client.ssh_keys.get_by_fingerprint(key.fingerprint).id == key.id
fails("uniqueness_error", client.ssh_keys.create, name="again", public_key=PUBLIC_KEY)

# Networks
network = client.networks.create(
    name="private",
    ip_range="10.0.0.0/16",
    labels=LABELS,
    subnets=[NetworkSubnet(ip_range="10.0.0.0/24", network_zone="eu-central", type=NetworkSubnet.TYPE_CLOUD)],
)
change(client.networks, network)
subnet = NetworkSubnet(ip_range="10.0.1.0/24", network_zone="eu-central", type=NetworkSubnet.TYPE_CLOUD)
done(client.networks.add_subnet(network, subnet))
done(client.networks.delete_subnet(network, subnet))
route = NetworkRoute(destination="10.100.0.0/24", gateway="10.0.0.9")
done(client.networks.add_route(network, route))
done(client.networks.delete_route(network, route))
done(client.networks.change_ip_range(network, "10.0.0.0/12"))
done(client.networks.change_protection(network, delete=True))
fails("protected", client.networks.delete, network)
done(client.networks.change_protection(network, delete=False))

# Firewalls
rules = [
    FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0", "::/0"], description="ssh"),
    FirewallRule(direction="out", protocol="icmp", source_ips=[], destination_ips=["0.0.0.0/0"]),
]
selected = FirewallResource(
    type=FirewallResource.TYPE_LABEL_SELECTOR, label_selector=FirewallResourceLabelSelector(selector="cluster=a")
)
firewall = wait(client.firewalls.create(name="wall", rules=rules, labels=LABELS, resources=[selected])).firewall
change(client.firewalls, firewall)
done(client.firewalls.set_rules(firewall, rules[:1]))
assert len(client.firewalls.get_by_id(firewall.id).rules) == 1

# Placement groups, primary IPs
group = wait(client.placement_groups.create(name="spread", type="spread", labels=LABELS)).placement_group
change(client.placement_groups, group)
address = client.primary_ips.create(type="ipv4", name="kept", location=HERE, labels=LABELS).primary_ip
assert address.assignee_id is None
change(client.primary_ips, address)
done(client.primary_ips.change_dns_ptr(address, ip=address.ip, dns_ptr="kept.example.com"))

# Servers
made = wait(
    client.servers.create(
        name="web",
        server_type=ServerType(name="cx23"),
        image=Image(name="ubuntu-24.04"),
        location=HERE,
        ssh_keys=[key],
        networks=[network],
        firewalls=[firewall],
        placement_group=group,
        labels=LABELS,
        user_data="#cloud-config\n",
        public_net=ServerCreatePublicNetwork(ipv4=address, enable_ipv6=True),
    )
)
assert made.root_password is None
server = client.servers.get_by_name("web")
assert server.status == "running" and server.public_net.ipv4.ip == address.ip
assert server.private_net[0].network.id == network.id
assert [member.id for member in client.networks.get_member_all(network)] == [server.id]
change(client.servers, server)
fails("uniqueness_error", client.servers.create, name="web", server_type=kind, image=Image(name="debian-12"))
for simple in ("shutdown", "power_on", "reboot", "reset", "enable_backup"):
    done(getattr(client.servers, simple)(server))
wait(client.servers.reset_password(server))
wait(client.servers.request_console(server))
wait(client.servers.enable_rescue(server, type="linux64", ssh_keys=[key.id]))
done(client.servers.disable_rescue(server))
snapshot = wait(client.servers.create_image(server, description="before", type="snapshot", labels=LABELS)).image
wait(client.servers.create_image(server, type="backup"))
assert client.images.get_all(type="backup", bound_to=str(server.id))
done(client.servers.disable_backup(server))
assert not client.images.get_all(type="backup")
done(client.servers.attach_iso(server, client.isos.get_all()[0]))
done(client.servers.detach_iso(server))
done(client.servers.change_dns_ptr(server, ip=address.ip, dns_ptr="web.example.com"))
done(client.servers.change_alias_ips(server, network, ["10.0.0.77"]))
done(client.servers.detach_from_network(server, network))
done(client.servers.attach_to_network(server, network, ip="10.0.0.9", alias_ips=["10.0.0.78"]))
done(client.servers.change_protection(server, delete=True, rebuild=True))
fails("protected", client.servers.delete, server)
done(client.servers.change_protection(server, delete=False, rebuild=False))
now = datetime.datetime.now(datetime.timezone.utc)
metrics = client.servers.get_metrics(server, "cpu", now - datetime.timedelta(hours=1), now).metrics
assert metrics.time_series["cpu"]["values"]
done(client.servers.power_off(server))
done(client.servers.remove_from_placement_group(server))
done(client.servers.add_to_placement_group(server, group))
done(client.servers.change_type(server, ServerType(name="cx33"), upgrade_disk=False))
wait(client.servers.rebuild(server, Image(name="debian-13")))
assert client.servers.get_by_id(server.id).image.name == "debian-13"

# Images
client.images.update(snapshot, description="after", labels=LABELS)
done(client.images.change_protection(snapshot, delete=True))
fails("protected", client.images.delete, snapshot)
done(client.images.change_protection(snapshot, delete=False))
client.images.delete(snapshot)

# Volumes
volume = wait(client.volumes.create(size=10, name="data", server=server, labels=LABELS, format="ext4")).volume
change(client.volumes, volume)
done(client.volumes.resize(volume, 20))
done(client.volumes.detach(volume))
done(client.volumes.attach(volume, server))
fails("volume_already_attached", client.volumes.delete, volume)
done(client.volumes.detach(volume))
done(client.volumes.change_protection(volume, delete=False))

# Floating IPs
floating = wait(client.floating_ips.create(type="ipv6", name="float", home_location=HERE, labels=LABELS)).floating_ip
change(client.floating_ips, floating)
done(client.floating_ips.assign(floating, server))
fails("must_be_unassigned", client.floating_ips.delete, floating)
done(client.floating_ips.unassign(floating))
name = {"ip": floating.ip.replace("::/64", "::1"), "dns_ptr": "float.example.com"}
done(client.floating_ips.change_dns_ptr(floating, **name))
done(client.floating_ips.change_protection(floating, delete=False))

# Certificates
uploaded = client.certificates.create(name="shop", certificate=CERTIFICATE, private_key=PRIVATE_KEY, labels=LABELS)
change(client.certificates, uploaded)
assert uploaded.domain_names == ["example.com"]
managed = wait(client.certificates.create_managed(name="free", domain_names=["example.com"])).certificate
assert client.certificates.get_by_id(managed.id).status.issuance == "completed"

# Load balancers
check = LoadBalancerHealthCheck(protocol="tcp", port=6443, interval=15, timeout=10, retries=3)
api = LoadBalancerService(
    protocol="tcp", listen_port=6443, destination_port=6443, proxyprotocol=False, health_check=check
)
balancer = wait(
    client.load_balancers.create(
        name="front",
        load_balancer_type=LoadBalancerType(name="lb11"),
        location=HERE,
        network=network,
        labels=LABELS,
        services=[api],
        algorithm=LoadBalancerAlgorithm(type="round_robin"),
    )
).load_balancer
change(client.load_balancers, balancer)
balancer = client.load_balancers.get_by_id(balancer.id)
assert balancer.public_net.ipv4.ip and balancer.private_net[0].ip
target = LoadBalancerTarget(
    type="label_selector",
    label_selector=LoadBalancerTargetLabelSelector(selector="cluster=a"),
    use_private_ip=True,
)
done(client.load_balancers.add_target(balancer, target))
assert client.load_balancers.get_by_id(balancer.id).targets[0].targets[0].health_status[0].status == "healthy"
fails("target_already_defined", client.load_balancers.add_target, balancer, target)
done(client.load_balancers.disable_public_interface(balancer))
done(client.load_balancers.enable_public_interface(balancer))
done(client.load_balancers.remove_target(balancer, target))
done(client.load_balancers.update_service(balancer, LoadBalancerService(listen_port=6443, destination_port=6444)))
done(client.load_balancers.delete_service(balancer, api))
done(client.load_balancers.add_service(balancer, api))
done(client.load_balancers.change_algorithm(balancer, LoadBalancerAlgorithm(type="least_connections")))
done(client.load_balancers.change_type(balancer, LoadBalancerType(name="lb21")))
done(client.load_balancers.change_dns_ptr(balancer, ip=balancer.public_net.ipv4.ip, dns_ptr="lb.example.com"))
done(client.load_balancers.change_protection(balancer, delete=False))
assert client.load_balancers.get_metrics(balancer, "bandwidth", now - datetime.timedelta(hours=1), now)
done(client.load_balancers.detach_from_network(balancer, network))
done(client.load_balancers.attach_to_network(balancer, network, ip="10.0.0.100"))

# And nothing of it stays.
wait(client.load_balancers.delete(balancer))
for certificate in client.certificates.get_all():
    client.certificates.delete(certificate)
client.floating_ips.delete(floating)
client.volumes.delete(volume)
done(client.servers.delete(server))
assert client.servers.get_all() == []
fails("not_found", client.servers.get_by_id, server.id)
assert client.primary_ips.get_by_id(address.id).assignee_id is None
client.primary_ips.delete(address)
assert client.primary_ips.get_all() == []
done(client.firewalls.remove_from_resources(firewall, [selected]))
client.firewalls.delete(firewall)
client.placement_groups.delete(group)
client.networks.delete(network)
client.ssh_keys.delete(key)

# Lists longer than a page
for number in range(50):
    client.placement_groups.create(name=f"g{number}", type="spread")
assert len(client.placement_groups.get_all()) == 50
fails("resource_limit_exceeded", client.placement_groups.create, name="one-more", type="spread")
