package sigv4front

// FunctionEnv returns the environment of the api function as the deployment sets it,
// for a table on DynamoDB Local at the URL dynamo. grants are the deployer's, as JSON.
func FunctionEnv(region, dynamo, table, account, grants string) []string {
	return []string{
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + account,
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_SESSION_TOKEN=",
		"AWS_ENDPOINT_URL=",
		"AWS_ENDPOINT_URL_DYNAMODB=" + dynamo,
		"CADASTRE_TABLE=" + table,
		"CADASTRE_HOME_REGION=" + region,
		"CADASTRE_ACCOUNT=" + account,
		"CADASTRE_GRANTS=" + grants,
	}
}
