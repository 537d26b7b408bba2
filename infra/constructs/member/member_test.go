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

// In a member account, the reader trusts the owner's function and the forwarder
// sends to the owner's bus.
func TestMemberAccount(t *testing.T) {
	app := awscdk.NewApp(nil)
	stack := awscdk.NewStack(app, jsii.String("Member"), &awscdk.StackProps{Env: &awscdk.Environment{Account: jsii.String("444455556666"), Region: jsii.String("eu-north-1")}})
	const function, bus = "arn:aws:iam::111122223333:role/discovery", "arn:aws:events:eu-west-1:111122223333:event-bus/cadastre"
	NewReader(stack, "Reader", &ReaderProps{Name: "cadastre-reader", Trusted: awsiam.Role_FromRoleArn(stack, jsii.String("Function"), jsii.String(function), nil)})
	NewForwarder(stack, "Forwarder", awsevents.EventBus_FromEventBusArn(stack, jsii.String("Bus"), jsii.String(bus)))

	type object = map[string]any
	type list = []any
	join := func(parts ...any) object { return object{"Fn::Join": list{"", parts}} }
	partition := object{"Ref": "AWS::Partition"}
	template := assertions.Template_FromStack(stack, nil)
	template.HasResourceProperties(jsii.String("AWS::IAM::Role"), object{
		"RoleName": "cadastre-reader",
		"AssumeRolePolicyDocument": object{"Statement": list{object{"Effect": "Allow", "Action": "sts:AssumeRole",
			"Principal": object{"AWS": join("arn:", partition, ":iam::111122223333:root")},
			"Condition": object{"ArnLike": object{"aws:PrincipalArn": list{function, join("arn:", partition, ":sts::111122223333:assumed-role/discovery/*")}}},
		}}},
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
