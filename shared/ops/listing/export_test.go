package listing

var (
	EncodedSize = encodedSize
	Fields      = fields
)
