package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/cadastre-ipam/cadastre/shared/client"
)

func ExampleOptions() {
	// Replaces https://ID.execute-api.us-east-1.amazonaws.com/prod.
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<AllocateIpamPoolCidrResponse><ipamPoolAllocation><cidr>10.4.0.0/24</cidr></ipamPoolAllocation></AllocateIpamPoolCidrResponse>`)
	}))
	defer api.Close()
	endpoint := api.URL + "/prod"

	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion("ap-northeast-1"), // for which the caller acts
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", "secret", "")))
	if err != nil {
		log.Fatal(err)
	}
	ipam := ec2.NewFromConfig(cfg, client.Options(endpoint, "us-east-1"))
	out, err := ipam.AllocateIpamPoolCidr(ctx, &ec2.AllocateIpamPoolCidrInput{
		IpamPoolId:    aws.String("ipam-pool-0123456789abcdef0"),
		NetmaskLength: aws.Int32(24),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(aws.ToString(out.IpamPoolAllocation.Cidr))
	// Output: 10.4.0.0/24
}
