// Package table provides the construct of the table that holds all state.
package table

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cadastre-ipam/cadastre/shared/table"
)

// Props are the properties of the table. With the zero value the table outlives its
// stack.
type Props struct {
	// Destroyable switches deletion protection off, and deletes the table with its
	// stack.
	Destroyable bool
}

// NewTable makes the table of shared/store, with its keys, its time to live, and a
// stream of both images of an item. The table is billed on demand, encrypted with
// DynamoDB's own key, and restorable to any second of the last 35 days.
func NewTable(scope constructs.Construct, id string, props *Props) awsdynamodb.TableV2 {
	removal := awscdk.RemovalPolicy_RETAIN
	if props.Destroyable {
		removal = awscdk.RemovalPolicy_DESTROY
	}
	return awsdynamodb.NewTableV2(scope, &id, &awsdynamodb.TablePropsV2{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String(table.AttrPK), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String(table.AttrSK), Type: awsdynamodb.AttributeType_STRING},
		TimeToLiveAttribute: jsii.String(table.AttrExpires),
		Billing:             awsdynamodb.Billing_OnDemand(nil),
		DynamoStream:        awsdynamodb.StreamViewType_NEW_AND_OLD_IMAGES,
		Encryption:          awsdynamodb.TableEncryptionV2_DynamoOwnedKey(),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(!props.Destroyable),
		RemovalPolicy:      removal,
	})
}
