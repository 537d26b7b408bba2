package hosted

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// minKey is the shortest key, in bytes.
const minKey = 32

// sealed is a cookie with a value that only the console can read and write: it is
// encrypted and authenticated (AES-256-GCM, with a random nonce of 96 bits: NIST SP
// 800-38D admits 2^32 cookies of one key). The name of the cookie is
// authenticated, too, so the value of one cookie does not work in another.
type sealed struct {
	cookie http.Cookie // without a value
	aead   cipher.AEAD
}

func newSealed(key []byte, cookie http.Cookie) (*sealed, error) {
	if len(key) < minKey {
		return nil, fmt.Errorf("the key of the cookies has %d bytes; it needs %d", len(key), minKey)
	}
	own, err := hkdf.Key(sha256.New, key, nil, "cadastre console cookie "+cookie.Name, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealed{cookie, aead}, err
}

func (s *sealed) set(w http.ResponseWriter, value any) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return err
	}
	c := s.cookie
	c.Value = base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(c.Name)))
	http.SetCookie(w, &c)
	return nil
}

// read sets value to the cookie's. It reports false if the request has no such cookie, or
// several, or one that the console did not write.
func (s *sealed) read(r *http.Request, value any) bool {
	cookies := r.CookiesNamed(s.cookie.Name)
	if len(cookies) != 1 {
		return false
	}
	box, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil {
		return false
	}
	plain, err := s.aead.Open(nil, nil, box, []byte(s.cookie.Name))
	return err == nil && json.Unmarshal(plain, value) == nil
}

// remove has the browser delete the cookie.
func (s *sealed) remove(w http.ResponseWriter) {
	c := s.cookie
	c.MaxAge = -1
	http.SetCookie(w, &c)
}
