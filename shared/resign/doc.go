// Package resign is a proxy for tools that sign requests for EC2 and cannot sign for
// another service: Terraform, Pulumi, scripts. AWS_ENDPOINT_URL_EC2 has its address.
// The proxy sends IPAM calls to Cadastre and all others to EC2 (see [Route]), and
// signs each of them anew for its target.
//
// The proxy signs with its own credentials. These rules keep other programs from
// using them:
//
//   - It listens on loopback only (package loopback).
//   - It verifies each request's signature and time with its own secret key
//     (package sigv4). So a caller needs the proxy's own credentials: tools with the
//     same profile have them, unless each process gets session credentials of its
//     own, as with most assumed roles. Config.AnyKey turns verification off: then
//     every program on the machine that reaches the port calls AWS as the proxy. Use
//     it only on a machine where you trust all programs of all users.
//   - A browser cannot use it. The signature must be in the Authorization header. A
//     web page can send that header to another origin only after a preflight request,
//     which the proxy refuses, as it refuses every request with an Origin header or
//     with a Host that is no loopback name (DNS rebinding).
//   - It calls two services and no other. The Region of a request must have the form
//     of a Region before it becomes part of EC2's host name. Redirects go back to the
//     caller. Requests that are signed for a service other than ec2 are refused.
package resign
