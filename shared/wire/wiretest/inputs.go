package wiretest

import "github.com/cadastre-ipam/cadastre/shared/ipam"

// Input is a request for an allocation, besides its IpamPoolId, as each door gets it. All
// doors accept it with the same values, or refuse it with the same code.
type Input struct {
	Name    string
	Members string // of a JSON object
	Form    string // of EC2 Query
	Twice   bool   // a member is given twice, which no template can

	Length      int32 // that the operation gets, if the doors accept the input
	Description string
	Code        ipam.Code // of the refusal; "" if the doors accept the input
}

// Inputs are inputs on which doors could differ: how a number is written, and characters
// and repetitions that some protocols admit.
var Inputs = []Input{
	{Name: "an integer", Members: `"NetmaskLength": 24`, Form: "NetmaskLength=24", Length: 24},
	{Name: "an integer with a point", Members: `"NetmaskLength": 24.0`, Form: "NetmaskLength=24.0", Length: 24},
	{Name: "an integer with many zeros", Members: `"NetmaskLength": 24.0000000000`, Form: "NetmaskLength=24.0000000000", Length: 24},
	{Name: "an integer with an exponent", Members: `"NetmaskLength": 2.4e1`, Form: "NetmaskLength=2.4e1", Length: 24},
	{Name: "an integer with a large E and a sign", Members: `"NetmaskLength": 0.24E+2`, Form: "NetmaskLength=0.24E%2B2", Length: 24},
	{Name: "an integer with a negative exponent", Members: `"NetmaskLength": 2400e-2`, Form: "NetmaskLength=2400e-2", Length: 24},
	{Name: "no integer", Members: `"NetmaskLength": 24.5`, Form: "NetmaskLength=24.5", Code: ipam.CodeInvalidParameterValue},
	{Name: "no integer, with an exponent", Members: `"NetmaskLength": 2.45e1`, Form: "NetmaskLength=2.45e1", Code: ipam.CodeInvalidParameterValue},
	{Name: "no integer, almost", Members: `"NetmaskLength": 24.0000000001`, Form: "NetmaskLength=24.0000000001", Code: ipam.CodeInvalidParameterValue},
	{Name: "more than 32 bits", Members: `"NetmaskLength": 4294967320`, Form: "NetmaskLength=4294967320", Code: ipam.CodeInvalidParameterValue},
	{Name: "far more than 64 bits", Members: `"NetmaskLength": 2.4e300`, Form: "NetmaskLength=2.4e300", Code: ipam.CodeInvalidParameterValue},
	{Name: "no number", Members: `"NetmaskLength": "twenty-four"`, Form: "NetmaskLength=twenty-four", Code: ipam.CodeInvalidParameterValue},
	{Name: "a text", Members: `"NetmaskLength": 24, "Description": "naïve 日本 \t\n\r\u007f"`, Form: "NetmaskLength=24&Description=na%C3%AFve+%E6%97%A5%E6%9C%AC+%09%0A%0D%7F", Length: 24, Description: "naïve 日本 \t\n\r\u007f"},
	{Name: "a zero byte", Members: `"NetmaskLength": 24, "Description": "a\u0000"`, Form: "NetmaskLength=24&Description=a%00", Code: ipam.CodeInvalidParameterValue},
	{Name: "a control character", Members: `"NetmaskLength": 24, "Description": "a\u001b[31m"`, Form: "NetmaskLength=24&Description=a%1B%5B31m", Code: ipam.CodeInvalidParameterValue},
	{Name: "a character that is none", Members: `"NetmaskLength": 24, "Description": "\uffff"`, Form: "NetmaskLength=24&Description=%EF%BF%BF", Code: ipam.CodeInvalidParameterValue},
	{Name: "a member twice", Members: `"NetmaskLength": 24, "NetmaskLength": 25`, Form: "NetmaskLength=24&NetmaskLength=25", Twice: true, Code: ipam.CodeInvalidParameterValue},
	{Name: "a member twice with one value", Members: `"NetmaskLength": 24, "NetmaskLength": 24`, Form: "NetmaskLength=24&NetmaskLength=24", Twice: true, Code: ipam.CodeInvalidParameterValue},
	{Name: "a member that there is not", Members: `"NetmaskLength": 24, "Colour": "blue"`, Form: "NetmaskLength=24&Colour=blue", Code: ipam.CodeUnknownParameter},
}
