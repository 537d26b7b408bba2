package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// The function reads a stack's status and a resource's physical id from CloudFormation.
func TestCloudFormation(t *testing.T) {
	const (
		id        = "arn:aws:cloudformation:us-east-1:111122223333:stack/network/6d2f7a30"
		described = `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>network</StackName><StackStatus>DELETE_IN_PROGRESS</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`
		none      = `<DescribeStacksResponse><DescribeStacksResult><Stacks></Stacks></DescribeStacksResult></DescribeStacksResponse>`
		resource  = `<DescribeStackResourceResponse><DescribeStackResourceResult><StackResourceDetail><PhysicalResourceId>unfinished:5eed</PhysicalResourceId></StackResourceDetail></DescribeStackResourceResult></DescribeStackResourceResponse>`
	)
	refusal := func(code, message string) string {
		return fmt.Sprintf("<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
	}
	for _, c := range []struct {
		name, stack, resource string
		status, physicalID    string
		fails                 bool
	}{
		{"it has one", described, resource, "DELETE_IN_PROGRESS", "unfinished:5eed", false},
		{"it has none", described, refusal("ValidationError", "Resource X does not exist for stack "+id), "DELETE_IN_PROGRESS", "", false},
		{"another refusal of the same code", described, refusal("ValidationError", "Stack '"+id+"' does not exist"), "", "", true},
		{"no permission for the resource", described, refusal("AccessDenied", "not authorized"), "", "", true},
		{"no permission for the stack", refusal("AccessDenied", "not authorized"), resource, "", "", true},
		{"no stack", none, resource, "", "", true},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			form, _ := url.ParseQuery(string(body))
			answer := c.stack
			if form.Get("Action") == "DescribeStackResource" {
				answer = c.resource
				if form.Get("LogicalResourceId") != "X" {
					t.Errorf("%s: asked for %v", c.name, form)
				}
			}
			if form.Get("StackName") != id {
				t.Errorf("%s: asked for %v", c.name, form)
			}
			if answer[:2] == "<E" {
				w.WriteHeader(http.StatusBadRequest)
			}
			io.WriteString(w, answer)
		}))
		client := cloudformation.New(cloudformation.Options{Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, BaseEndpoint: &s.URL, Retryer: aws.NopRetryer{}})
		status, physicalID, err := CloudFormation(client).Resource(t.Context(), id, "X")
		if status != c.status || physicalID != c.physicalID || (err != nil) != c.fails {
			t.Errorf("%s: %q, %q, %v", c.name, status, physicalID, err)
		}
		s.Close()
	}
}
