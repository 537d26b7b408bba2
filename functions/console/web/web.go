// Package web holds the built pages of the console, for the programs that serve them.
package web

import (
	"embed"
	"io/fs"
)

// The build of the pages writes into dist. The file .keep is there without a build, so
// that the package compiles.
//
//go:embed all:dist
var dist embed.FS

// Pages returns the files of the pages, with index.html at the root, and false if the
// program was compiled before the pages were built.
func Pages() (fs.FS, bool) {
	pages, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // dist is a valid path
	}
	_, err = fs.Stat(pages, "index.html")
	return pages, err == nil
}
