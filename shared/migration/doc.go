// Package migration moves the content of an IPAM into Cadastre and out of it.
//
// A [Document] is the content of an IPAM: scopes, pools with their rules, CIDRs, shares,
// and custom allocations. It has no ids of any deployment. It is read from CSV
// ([ReadCSV]), from JSON ([ReadJSON]), from a NetBox and from Amazon VPC IPAM (the packages
// below this one), and from a deployment ([Reader.Read]). It is written as CSV, JSON, a
// Terraform configuration and CloudFormation templates.
//
// An import has two steps. [NewPlan] compares a document with the content of a
// deployment. It changes nothing, and returns the steps that are left to do and a
// [Finding] for each line that cannot be taken as it is. An [Importer] then does the
// steps, several at once.
//
// An import that broke off can be repeated. The new plan has only the steps whose result
// the deployment does not have yet, and a step that is repeated although it was carried
// out has the same client token.
package migration
