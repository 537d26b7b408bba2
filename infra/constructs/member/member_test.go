//go:build !race

package member

import (
	"os"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

func TestMain(m *testing.M) {
	status := m.Run()
	jsii.Close()
	os.Exit(status)
}

// In a member account, the roles trust the functions of the owner account, and the
// forwarder sends to the owner account's bus.
func TestMemberAccount(t *testing.T) {
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("Member"), &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("444455556666"), Region: jsii.String("eu-north-1")}})
	const function, api, bus = "arn:aws:iam::111122223333:role/discovery", "arn:aws:iam::111122223333:role/api", "arn:aws:events:eu-west-1:111122223333:event-bus/cadastre"
	NewReader(stack, "Reader", &ReaderProps{Name: "cadastre-reader", Trusted: awsiam.Role_FromRoleArn(stack, jsii.String("Function"), jsii.String(function), nil)})
	NewVending(stack, "Vending", &VendingProps{Name: "CadastreVending", Trusted: []awsiam.IRole{awsiam.Role_FromRoleArn(stack, jsii.String("Api"), jsii.String(api), nil)}})
	NewForwarder(stack, "Forwarder", awsevents.EventBus_FromEventBusArn(stack, jsii.String("Bus"), jsii.String(bus)))

	type object = map[string]any
	type list = []any
	join := func(parts ...any) object { return object{"Fn::Join": list{"", parts}} }
	partition := object{"Ref": "AWS::Partition"}
	template := assertions.Template_FromStack(stack, nil)
	trusts := func(function, name string, actions ...string) object {
		var statements list
		for _, action := range actions {
			statements = append(statements, object{"Effect": "Allow", "Action": action,
				"Principal": object{"AWS": join("arn:", partition, ":iam::111122223333:root")},
				"Condition": object{"ArnLike": object{"aws:PrincipalArn": list{function, join("arn:", partition, ":sts::111122223333:assumed-role/"+name+"/*")}}},
			})
		}
		return object{"Statement": statements}
	}
	template.HasResourceProperties(jsii.String("AWS::IAM::Role"), object{"RoleName": "cadastre-reader", "AssumeRolePolicyDocument": trusts(function, "discovery", "sts:AssumeRole")})
	template.HasResourceProperties(jsii.String("AWS::IAM::Role"), object{
		"RoleName": "CadastreVending", "AssumeRolePolicyDocument": trusts(api, "api", "sts:AssumeRole", "sts:SetSourceIdentity"),
		"Policies": list{object{"PolicyName": "Vend", "PolicyDocument": object{"Statement": list{
			object{"Effect": "Allow", "Action": list{"ec2:AssociateVpcCidrBlock", "ec2:CreateSubnet", "ec2:CreateVpc", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DisassociateVpcCidrBlock"}, "Resource": "*"},
			object{"Effect": "Allow", "Action": "ec2:CreateTags",
				"Resource":  list{join("arn:", partition, ":ec2:*:444455556666:subnet/*"), join("arn:", partition, ":ec2:*:444455556666:vpc/*")},
				"Condition": object{"StringEquals": object{"ec2:CreateAction": list{"CreateSubnet", "CreateVpc"}}}},
		}}}},
	})
	template.HasResourceProperties(jsii.String("AWS::IAM::Role"), object{
		"AssumeRolePolicyDocument": object{"Statement": list{object{"Effect": "Allow", "Action": "sts:AssumeRole",
			"Principal": object{"Service": "events.amazonaws.com"}, "Condition": object{"StringEquals": object{"aws:SourceAccount": "444455556666"}},
		}}},
		"Policies": list{object{"PolicyName": "Forward", "PolicyDocument": object{"Statement": list{object{"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}}}}},
	})
	template.HasResourceProperties(jsii.String("AWS::Events::Rule"), object{"Targets": list{object{"Arn": bus}}})
	template.ResourceCountIs(jsii.String("AWS::IAM::Policy"), jsii.Number(0))
}
