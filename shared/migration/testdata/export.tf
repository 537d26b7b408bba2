resource "aws_vpc_ipam" "main" {
  description        = "=of the \"network\" team;"
  metered_account    = "resource-owner"
  enable_private_gua = true
  tags = {
    "Name"    = "main"
    "a=b;c\\" = " spaces \n"
  }

  operating_regions {
    region_name = "eu-west-1"
  }

  operating_regions {
    region_name = "us-east-1"
  }
}

import {
  to = aws_vpc_ipam.main
  id = "ipam-0123456789abcdef0"
}

resource "aws_ec2_tag" "discovery_team" {
  resource_id = aws_vpc_ipam.main.default_resource_discovery_id
  key         = "team"
  value       = "net"
}

import {
  to = aws_ec2_tag.discovery_team
  id = "ipam-res-disco-0123456789abcdef0,team"
}

resource "terraform_data" "excluded_unit" {
  input = {
    DISCOVERY = aws_vpc_ipam.main.default_resource_discovery_id
    UNIT_PATH = "o-a1b2c3d4e5/r-f6g7/ou-f6g7-h8i9j0k1/"
  }

  provisioner "local-exec" {
    command     = "aws ec2 describe-ipam-resource-discoveries --ipam-resource-discovery-ids \"$DISCOVERY\" | grep -qF \"\\\"$UNIT_PATH\\\"\" || aws ec2 modify-ipam-resource-discovery --ipam-resource-discovery-id \"$DISCOVERY\" --add-organizational-unit-exclusions OrganizationsEntityPath=\"$UNIT_PATH\""
    environment = self.input
  }
}

resource "aws_ec2_tag" "private_scope_Name" {
  resource_id = aws_vpc_ipam.main.private_default_scope_id
  key         = "Name"
  value       = "private"
}

import {
  to = aws_ec2_tag.private_scope_Name
  id = "ipam-scope-00000000000000001,Name"
}

resource "terraform_data" "private_scope" {
  input = {
    SCOPE       = aws_vpc_ipam.main.private_default_scope_id
    DESCRIPTION = "the default"
  }

  provisioner "local-exec" {
    command     = "aws ec2 modify-ipam-scope --ipam-scope-id \"$SCOPE\" --description \"$DESCRIPTION\""
    environment = self.input
  }
}

resource "aws_vpc_ipam_pool" "private_top" {
  ipam_scope_id                 = aws_vpc_ipam.main.private_default_scope_id
  address_family                = "ipv4"
  description                   = "- all\r\nof it, \"quoted\""
  allocation_min_netmask_length = 8
  allocation_max_netmask_length = 32
  tags = {
    "Name" = "top"
  }
}

import {
  to = aws_vpc_ipam_pool.private_top
  id = "ipam-pool-00000000000000002"
}

resource "aws_vpc_ipam_pool_cidr" "private_top_10_0_0_0_8" {
  ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  cidr         = "10.0.0.0/8"
}

import {
  to = aws_vpc_ipam_pool_cidr.private_top_10_0_0_0_8
  id = "10.0.0.0/8_ipam-pool-00000000000000002"
}

resource "aws_vpc_ipam_pool_cidr" "private_top_11_0_0_0_16" {
  ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  cidr         = "11.0.0.0/16"
}

import {
  to = aws_vpc_ipam_pool_cidr.private_top_11_0_0_0_16
  id = "11.0.0.0/16_ipam-pool-00000000000000002"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private_top_10_255_0_0_16" {
  ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  cidr         = "10.255.0.0/16"
  description  = "on premises"
  depends_on   = [aws_vpc_ipam_pool_cidr.private_top_10_0_0_0_8]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private_top_10_255_0_0_16
  id = "ipam-pool-alloc-00000000000000000000000000000003_ipam-pool-00000000000000002"
}

resource "aws_ec2_tag" "private_top_10_255_0_0_16_Name" {
  resource_id = aws_vpc_ipam_pool_cidr_allocation.private_top_10_255_0_0_16.ipam_pool_allocation_id
  key         = "Name"
  value       = "dc1"
}

import {
  to = aws_ec2_tag.private_top_10_255_0_0_16_Name
  id = "ipam-pool-alloc-00000000000000000000000000000003,Name"
}

resource "aws_ec2_tag" "private_top_10_255_0_0_16_cadastre_stable_key" {
  resource_id = aws_vpc_ipam_pool_cidr_allocation.private_top_10_255_0_0_16.ipam_pool_allocation_id
  key         = "cadastre:stable-key"
  value       = "dc1"
}

import {
  to = aws_ec2_tag.private_top_10_255_0_0_16_cadastre_stable_key
  id = "ipam-pool-alloc-00000000000000000000000000000003,cadastre:stable-key"
}

resource "aws_vpc_ipam_pool" "private__eu" {
  ipam_scope_id                     = aws_vpc_ipam.main.private_default_scope_id
  address_family                    = "ipv4"
  source_ipam_pool_id               = aws_vpc_ipam_pool.private_top.id
  locale                            = "eu-west-1"
  auto_import                       = true
  allocation_default_netmask_length = 24
  allocation_resource_tags = {
    "a"   = ""
    "env" = "prod"
  }
  tags = {
    "Name" = ""
  }
}

import {
  to = aws_vpc_ipam_pool.private__eu
  id = "ipam-pool-00000000000000004"
}

resource "aws_vpc_ipam_pool_cidr" "private__eu_10_0_0_0_12" {
  ipam_pool_id = aws_vpc_ipam_pool.private__eu.id
  cidr         = "10.0.0.0/12"
  depends_on   = [aws_vpc_ipam_pool_cidr.private_top_10_0_0_0_8]
}

import {
  to = aws_vpc_ipam_pool_cidr.private__eu_10_0_0_0_12
  id = "10.0.0.0/12_ipam-pool-00000000000000004"
}

resource "terraform_data" "private__eu_444455556666" {
  input = {
    POOL      = aws_vpc_ipam_pool.private__eu.id
    PRINCIPAL = "444455556666"
  }

  provisioner "local-exec" {
    command     = "aws cadastre put-ipam-pool-share --ipam-pool-id \"$POOL\" --principal \"$PRINCIPAL\""
    environment = self.input
  }
}

resource "terraform_data" "private__eu_o_a1b2c3d4e5" {
  input = {
    POOL      = aws_vpc_ipam_pool.private__eu.id
    PRINCIPAL = "o-a1b2c3d4e5"
  }

  provisioner "local-exec" {
    command     = "aws cadastre put-ipam-pool-share --ipam-pool-id \"$POOL\" --principal \"$PRINCIPAL\""
    environment = self.input
  }
}

resource "terraform_data" "private__eu_ou_f6g7_h8i9j0k1" {
  input = {
    POOL      = aws_vpc_ipam_pool.private__eu.id
    PRINCIPAL = "ou-f6g7-h8i9j0k1"
  }

  provisioner "local-exec" {
    command     = "aws cadastre put-ipam-pool-share --ipam-pool-id \"$POOL\" --principal \"$PRINCIPAL\""
    environment = self.input
  }
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private__eu_10_0_0_0_24" {
  ipam_pool_id = aws_vpc_ipam_pool.private__eu.id
  cidr         = "10.0.0.0/24"
  depends_on   = [aws_vpc_ipam_pool_cidr.private__eu_10_0_0_0_12]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private__eu_10_0_0_0_24
  id = "ipam-pool-alloc-00000000000000000000000000000005_ipam-pool-00000000000000004"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private__eu_10_0_1_0_32" {
  ipam_pool_id = aws_vpc_ipam_pool.private__eu.id
  cidr         = "10.0.1.0/32"
  description  = "'one host"
  depends_on   = [aws_vpc_ipam_pool_cidr.private__eu_10_0_0_0_12]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private__eu_10_0_1_0_32
  id = "ipam-pool-alloc-00000000000000000000000000000006_ipam-pool-00000000000000004"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private__eu_10_0_2_0_23" {
  ipam_pool_id = aws_vpc_ipam_pool.private__eu.id
  cidr         = "10.0.2.0/23"
  depends_on   = [aws_vpc_ipam_pool_cidr.private__eu_10_0_0_0_12]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private__eu_10_0_2_0_23
  id = "ipam-pool-alloc-00000000000000000000000000000007_ipam-pool-00000000000000004"
}

resource "aws_ec2_tag" "private__eu_10_0_2_0_23_x" {
  resource_id = aws_vpc_ipam_pool_cidr_allocation.private__eu_10_0_2_0_23.ipam_pool_allocation_id
  key         = "x"
  value       = "1"
}

import {
  to = aws_ec2_tag.private__eu_10_0_2_0_23_x
  id = "ipam-pool-alloc-00000000000000000000000000000007,x"
}

resource "aws_vpc_ipam_pool" "private__us" {
  ipam_scope_id       = aws_vpc_ipam.main.private_default_scope_id
  address_family      = "ipv4"
  source_ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  locale              = "us-east-1"
  tags = {
    "Name" = "twin"
  }
}

import {
  to = aws_vpc_ipam_pool.private__us
  id = "ipam-pool-00000000000000008"
}

resource "aws_vpc_ipam_pool_cidr" "private__us_10_16_0_0_12" {
  ipam_pool_id = aws_vpc_ipam_pool.private__us.id
  cidr         = "10.16.0.0/12"
  depends_on   = [aws_vpc_ipam_pool_cidr.private_top_10_0_0_0_8]
}

import {
  to = aws_vpc_ipam_pool_cidr.private__us_10_16_0_0_12
  id = "10.16.0.0/12_ipam-pool-00000000000000008"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private__us_10_16_0_0_24" {
  ipam_pool_id = aws_vpc_ipam_pool.private__us.id
  cidr         = "10.16.0.0/24"
  depends_on   = [aws_vpc_ipam_pool_cidr.private__us_10_16_0_0_12]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private__us_10_16_0_0_24
  id = "ipam-pool-alloc-00000000000000000000000000000009_ipam-pool-00000000000000008"
}

resource "aws_vpc_ipam_pool" "private__us2" {
  ipam_scope_id       = aws_vpc_ipam.main.private_default_scope_id
  address_family      = "ipv4"
  source_ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  locale              = "us-east-1"
  tags = {
    "Name" = "twin"
  }
}

import {
  to = aws_vpc_ipam_pool.private__us2
  id = "ipam-pool-0000000000000000a"
}

resource "aws_vpc_ipam_pool" "private__us3" {
  ipam_scope_id       = aws_vpc_ipam.main.private_default_scope_id
  address_family      = "ipv4"
  source_ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  locale              = "us-east-1"
  tags = {
    "Name" = "twin"
  }
}

import {
  to = aws_vpc_ipam_pool.private__us3
  id = "ipam-pool-0000000000000000b"
}

resource "aws_vpc_ipam_pool" "private__us4" {
  ipam_scope_id       = aws_vpc_ipam.main.private_default_scope_id
  address_family      = "ipv4"
  source_ipam_pool_id = aws_vpc_ipam_pool.private_top.id
  locale              = "us-east-1"
  description         = "another"
  tags = {
    "Name" = "twin"
  }
}

import {
  to = aws_vpc_ipam_pool.private__us4
  id = "ipam-pool-0000000000000000c"
}

resource "aws_vpc_ipam_pool" "private__us5" {
  ipam_scope_id                 = aws_vpc_ipam.main.private_default_scope_id
  address_family                = "ipv4"
  source_ipam_pool_id           = aws_vpc_ipam_pool.private_top.id
  locale                        = "us-east-1"
  allocation_min_netmask_length = 20
  tags = {
    "Name" = "twin"
  }
}

import {
  to = aws_vpc_ipam_pool.private__us5
  id = "ipam-pool-0000000000000000d"
}

resource "aws_vpc_ipam_pool" "private_under" {
  ipam_scope_id       = aws_vpc_ipam.main.private_default_scope_id
  address_family      = "ipv4"
  source_ipam_pool_id = aws_vpc_ipam_pool.private__us5.id
  tags = {
    "Name" = "twin"
  }
}

import {
  to = aws_vpc_ipam_pool.private_under
  id = "ipam-pool-0000000000000000e"
}

resource "aws_vpc_ipam_pool" "private_deep" {
  ipam_scope_id       = aws_vpc_ipam.main.private_default_scope_id
  address_family      = "ipv4"
  source_ipam_pool_id = aws_vpc_ipam_pool.private__us.id
  tags = {
    "Name" = "deep"
  }
}

import {
  to = aws_vpc_ipam_pool.private_deep
  id = "ipam-pool-0000000000000000f"
}

resource "aws_vpc_ipam_pool_cidr" "private_deep_10_16_16_0_20" {
  ipam_pool_id = aws_vpc_ipam_pool.private_deep.id
  cidr         = "10.16.16.0/20"
  depends_on   = [aws_vpc_ipam_pool_cidr.private__us_10_16_0_0_12]
}

import {
  to = aws_vpc_ipam_pool_cidr.private_deep_10_16_16_0_20
  id = "10.16.16.0/20_ipam-pool-0000000000000000f"
}

resource "aws_vpc_ipam_pool" "private_six" {
  ipam_scope_id  = aws_vpc_ipam.main.private_default_scope_id
  address_family = "ipv6"
  tags = {
    "Name" = "six"
  }
}

import {
  to = aws_vpc_ipam_pool.private_six
  id = "ipam-pool-00000000000000010"
}

resource "aws_vpc_ipam_pool_cidr" "private_six_fd80___16" {
  ipam_pool_id = aws_vpc_ipam_pool.private_six.id
  cidr         = "fd80::/16"
}

import {
  to = aws_vpc_ipam_pool_cidr.private_six_fd80___16
  id = "fd80::/16_ipam-pool-00000000000000010"
}

resource "aws_vpc_ipam_pool_cidr" "private_six_2001_db8___32" {
  ipam_pool_id = aws_vpc_ipam_pool.private_six.id
  cidr         = "2001:db8::/32"
}

import {
  to = aws_vpc_ipam_pool_cidr.private_six_2001_db8___32
  id = "2001:db8::/32_ipam-pool-00000000000000010"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private_six_2001_db8___64" {
  ipam_pool_id = aws_vpc_ipam_pool.private_six.id
  cidr         = "2001:db8::/64"
  depends_on   = [aws_vpc_ipam_pool_cidr.private_six_2001_db8___32]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private_six_2001_db8___64
  id = "ipam-pool-alloc-00000000000000000000000000000011_ipam-pool-00000000000000010"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "private_six_fd80__1_128" {
  ipam_pool_id = aws_vpc_ipam_pool.private_six.id
  cidr         = "fd80::1/128"
  depends_on   = [aws_vpc_ipam_pool_cidr.private_six_fd80___16]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.private_six_fd80__1_128
  id = "ipam-pool-alloc-00000000000000000000000000000012_ipam-pool-00000000000000010"
}

resource "aws_vpc_ipam_pool" "public_pub" {
  ipam_scope_id         = aws_vpc_ipam.main.public_default_scope_id
  address_family        = "ipv6"
  locale                = "eu-west-1"
  description           = "no space yet"
  publicly_advertisable = false
  aws_service           = "ec2"
  public_ip_source      = "byoip"
  tags = {
    "Name" = "pub"
  }
}

import {
  to = aws_vpc_ipam_pool.public_pub
  id = "ipam-pool-00000000000000014"
}

resource "aws_vpc_ipam_scope" "lab" {
  ipam_id     = aws_vpc_ipam.main.id
  description = "overlapping networks"
  tags = {
    "Name" = "lab"
  }
}

import {
  to = aws_vpc_ipam_scope.lab
  id = "ipam-scope-00000000000000015"
}

resource "aws_vpc_ipam_pool" "lab_top" {
  ipam_scope_id  = aws_vpc_ipam_scope.lab.id
  address_family = "ipv4"
  tags = {
    "Name" = "top"
  }
}

import {
  to = aws_vpc_ipam_pool.lab_top
  id = "ipam-pool-00000000000000016"
}

resource "aws_vpc_ipam_pool_cidr" "lab_top_10_0_0_0_8" {
  ipam_pool_id = aws_vpc_ipam_pool.lab_top.id
  cidr         = "10.0.0.0/8"
}

import {
  to = aws_vpc_ipam_pool_cidr.lab_top_10_0_0_0_8
  id = "10.0.0.0/8_ipam-pool-00000000000000016"
}

resource "aws_vpc_ipam_pool_cidr_allocation" "lab_top_10_0_0_0_24" {
  ipam_pool_id = aws_vpc_ipam_pool.lab_top.id
  cidr         = "10.0.0.0/24"
  description  = "the same as in private, $${no} %%{template}"
  depends_on   = [aws_vpc_ipam_pool_cidr.lab_top_10_0_0_0_8]
}

import {
  to = aws_vpc_ipam_pool_cidr_allocation.lab_top_10_0_0_0_24
  id = "ipam-pool-alloc-00000000000000000000000000000017_ipam-pool-00000000000000016"
}

resource "aws_vpc_ipam_scope" "nameless" {
  ipam_id = aws_vpc_ipam.main.id
}

import {
  to = aws_vpc_ipam_scope.nameless
  id = "ipam-scope-00000000000000018"
}

