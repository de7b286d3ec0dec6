# A VPC with a tier, rules, machines, balancing, NAT and a VPN, and a flat network beside it.

resource "cloudstack_vpc" "v" {
  name         = "tf-vpc"
  cidr         = "10.20.0.0/16"
  vpc_offering = "Default VPC offering"
  zone         = "zone-1"
}
resource "cloudstack_network_acl" "acl" {
  name   = "tf-acl"
  vpc_id = cloudstack_vpc.v.id
}
resource "cloudstack_network_acl_rule" "rules" {
  acl_id = cloudstack_network_acl.acl.id
  rule {
    action       = "allow"
    cidr_list    = ["0.0.0.0/0"]
    protocol     = "tcp"
    port         = "443"
    traffic_type = "ingress"
  }
}
resource "cloudstack_network" "tier" {
  name             = "tf-tier"
  cidr             = "10.20.1.0/24"
  network_offering = "DefaultIsolatedNetworkOfferingForVpcNetworks"
  vpc_id           = cloudstack_vpc.v.id
  acl_id           = cloudstack_network_acl.acl.id
  zone             = "zone-1"
}
resource "cloudstack_ssh_keypair" "key" {
  name = "tf-key"
}
resource "cloudstack_affinity_group" "apart" {
  name = "tf-apart"
  type = "host anti-affinity"
}
resource "cloudstack_instance" "app" {
  count              = 2
  name               = "tf-app-${count.index}"
  service_offering   = "Small Instance"
  network_id         = cloudstack_network.tier.id
  template           = "CentOS 5.6 (64-bit) no GUI (Simulator)"
  zone               = "zone-1"
  keypair            = cloudstack_ssh_keypair.key.name
  affinity_group_ids = [cloudstack_affinity_group.apart.id]
  user_data          = "#cloud-config"
  tags               = { env = "test" }
  expunge            = true
}
resource "cloudstack_ipaddress" "vip" {
  zone   = "zone-1"
  vpc_id = cloudstack_vpc.v.id
}
resource "cloudstack_loadbalancer_rule" "lb" {
  name          = "tf-lb"
  ip_address_id = cloudstack_ipaddress.vip.id
  algorithm     = "roundrobin"
  private_port  = 80
  public_port   = 80
  network_id    = cloudstack_network.tier.id
  member_ids    = cloudstack_instance.app[*].id
}
resource "cloudstack_ipaddress" "nat" {
  zone   = "zone-1"
  vpc_id = cloudstack_vpc.v.id
}
resource "cloudstack_static_nat" "nat" {
  ip_address_id      = cloudstack_ipaddress.nat.id
  virtual_machine_id = cloudstack_instance.app[0].id
}
resource "cloudstack_secondary_ipaddress" "second" {
  virtual_machine_id = cloudstack_instance.app[1].id
}
resource "cloudstack_vpn_gateway" "gw" {
  vpc_id = cloudstack_vpc.v.id
}
resource "cloudstack_vpn_customer_gateway" "peer" {
  name       = "tf-peer"
  cidr       = "10.30.0.0/16"
  esp_policy = "aes256-sha1"
  gateway    = "192.0.2.7"
  ike_policy = "aes256-sha1;modp1536"
  ipsec_psk  = "secret"
}
resource "cloudstack_vpn_connection" "link" {
  customer_gateway_id = cloudstack_vpn_customer_gateway.peer.id
  vpn_gateway_id      = cloudstack_vpn_gateway.gw.id
}
resource "cloudstack_network" "flat" {
  name             = "tf-flat"
  cidr             = "10.9.2.0/24"
  network_offering = "DefaultIsolatedNetworkOfferingWithSourceNatService"
  zone             = "zone-1"
}
resource "cloudstack_egress_firewall" "out" {
  network_id = cloudstack_network.flat.id
  rule {
    cidr_list = ["10.9.2.0/24"]
    protocol  = "tcp"
    ports     = ["443"]
  }
}
resource "cloudstack_nic" "more" {
  network_id         = cloudstack_network.flat.id
  virtual_machine_id = cloudstack_instance.app[0].id
}
