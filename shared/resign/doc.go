// Package resign is the proxy that makes tools work with Cadastre which sign
// for EC2 and cannot be told to do otherwise: Terraform, Pulumi, scripts. With
// AWS_ENDPOINT_URL_EC2 set to its address, their IPAM calls go to Cadastre and
// all others to EC2 (see Route), each signed anew as the target demands.
//
// The proxy signs with its own credentials for whoever reaches it; it does not
// verify the signature that comes in. What keeps others from borrowing them:
//
//   - It listens on loopback only (Listen).
//   - A browser cannot use it. The signature must stand in the Authorization
//     header, which a page can send to another origin only after a preflight
//     request, and no preflight is answered; a request with an Origin is refused,
//     and so is one whose Host is no loopback name, as DNS rebinding makes them.
//   - A call must name the access key that the proxy itself signs with, which
//     another user of the machine does not know. Tools with the same profile
//     name it without further ado, unless each process gets session credentials
//     of its own (an assumed role, mostly); Config.AnyKey is for these, on
//     machines with one user. An access key's id is no secret of strength: on a
//     machine that is shared with people whom you do not trust, run no proxy.
//   - Signed calls go nowhere but to the two services. The Region that a call
//     names must have the form of a Region before it becomes part of EC2's host
//     name, redirects are passed back and not followed, and calls that are signed
//     for services other than ec2 are refused.
package resign
