package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/cadastre-ipam/cadastre/shared/ipam"
)

// page is a file of the pages.
type page struct {
	body        []byte
	zipped      func() []byte // nil for a file that is compressed already
	contentType string
	etag        string
	cache       string
}

// assets is the folder of files whose names have a hash of their content.
const assets = "assets/"

// contentTypes does not depend on the machine's own table of types.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".ico": "image/x-icon", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
	".map": "application/json", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json", ".woff": "font/woff", ".woff2": "font/woff2",
}

// readPages reads all files. Only these can be served, so no path leads out of them.
func readPages(files fs.FS) (map[string]*page, error) {
	pages := map[string]*page{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		p := &page{body: body, contentType: contentTypes[path.Ext(name)], etag: `"` + hex.EncodeToString(sum[:16]) + `"`, cache: "no-cache"}
		if p.contentType == "" {
			p.contentType = "application/octet-stream"
		}
		if strings.HasPrefix(name, assets) {
			p.cache = "public, max-age=31536000, immutable"
		}
		switch path.Ext(name) {
		case ".ico", ".png", ".woff", ".woff2":
		default:
			p.zipped = sync.OnceValue(func() []byte { return zip(body) })
		}
		pages["/"+name] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the pages: %w", err)
	}
	if pages["/index.html"] == nil {
		return nil, errors.New("the program was compiled without the console's pages: run `make web` and compile it again")
	}
	return pages, nil
}

func zip(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // to memory
	_ = w.Close()
	return b.Bytes()
}

// page serves a file, and index.html at the addresses of the pages: these have no dot
// in their last part. The pages hold no data, so they need no session: without one they
// say so.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	p := h.pages[r.URL.Path]
	if p == nil && !strings.Contains(path.Base(r.URL.Path), ".") && !strings.HasPrefix(r.URL.Path, "/"+assets) && path.Clean(r.URL.Path) == r.URL.Path {
		p = h.pages["/index.html"]
	}
	if p == nil {
		Refuse(w, http.StatusNotFound, ipam.Errorf(ipam.CodeInvalidAction, "The console has no such page."))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		Refuse(w, http.StatusMethodNotAllowed, ipam.Errorf(ipam.CodeInvalidAction, "A page is read by GET."))
		return
	}
	header := w.Header()
	header.Set("Cache-Control", p.cache)
	header.Set("ETag", p.etag)
	header.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == p.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := p.body
	if p.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = p.zipped()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Type", p.contentType)
	header.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body)
	}
}
