package sigv4front

// FunctionEnv returns the environment that the api function is deployed with,
// for a table on DynamoDB Local.
func FunctionEnv(region, dynamo, table, account string) []string {
	return []string{
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + account,
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=",
		"AWS_ENDPOINT_URL=",
		"AWS_ENDPOINT_URL_DYNAMODB=" + dynamo,
		"CADASTRE_TABLE=" + table,
		"CADASTRE_ACCOUNT=" + account,
	}
}
