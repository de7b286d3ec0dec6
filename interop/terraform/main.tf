# Terraform's own provider against the embedded cloud: network, template, machine, disk, address and its rules.
#
# cloudstack-mcp simulate & eval "$(cloudstack-mcp simulate --print-env)"; terraform init; terraform apply; terraform plan -detailed-exitcode; terraform destroy
# Tried with Terraform 1.11.4 and the provider's sources of 2026-08-19: all is made, a second plan finds nothing to change, all is destroyed.

terraform {
  required_providers {
    cloudstack = { source = "cloudstack/cloudstack" }
  }
}
provider "cloudstack" {}

resource "cloudstack_network" "lab" {
  name             = "tf-lab"
  cidr             = "10.9.1.0/24"
  network_offering = "DefaultIsolatedNetworkOfferingWithSourceNatService"
  zone             = "zone-1"
}
resource "cloudstack_template" "image" {
  name             = "tf-image"
  format           = "VHD"
  hypervisor       = "Simulator"
  os_type          = "CentOS 5.6 (64-bit)"
  url              = "http://images.example/tf.vhd"
  zone             = "zone-1"
  is_ready_timeout = 60
}
resource "cloudstack_instance" "web" {
  name             = "tf-web"
  service_offering = "Small Instance"
  network_id       = cloudstack_network.lab.id
  template         = cloudstack_template.image.id
  zone             = "zone-1"
  expunge          = true
}
resource "cloudstack_disk" "data" {
  name               = "tf-data"
  attach             = true
  disk_offering      = "Small"
  virtual_machine_id = cloudstack_instance.web.id
  zone               = "zone-1"
}
resource "cloudstack_ipaddress" "ip" {
  network_id = cloudstack_network.lab.id
}
resource "cloudstack_firewall" "fw" {
  ip_address_id = cloudstack_ipaddress.ip.id
  rule {
    cidr_list = ["0.0.0.0/0"]
    protocol  = "tcp"
    ports     = ["80"]
  }
}
resource "cloudstack_port_forward" "pf" {
  ip_address_id = cloudstack_ipaddress.ip.id
  forward {
    protocol           = "tcp"
    private_port       = 80
    public_port        = 80
    virtual_machine_id = cloudstack_instance.web.id
  }
}
