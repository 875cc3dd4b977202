// A second reader and writer of docs/spec/envelope.md, in Go's standard library only.
//
// It reads a JSON list of messages on standard input. Each one is opened, and its payload is sealed
// anew for the same recipient; what came out is written as a JSON list to standard output.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
)

type message struct {
	Sender, Recipient, Seed, Header, Payload string
	Wrap, Sealed, Commitment                 string
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func commit(salt, payload []byte) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte("xbg/v1/commit\x00"))
	mac.Write(payload)
	return mac.Sum(nil)
}

func box(secret, header, wrap, commitment []byte) (cipher.AEAD, []byte) {
	hh := hash([]byte("xbg/v1/hdr\x00"), header)
	info := bytes.Join([][]byte{[]byte("xbg/v1/key\x00"), hh, hash(wrap), commitment}, nil)
	key := must(hkdf.Key(sha256.New, secret, nil, string(info), 32))
	return must(cipher.NewGCM(must(aes.NewCipher(key)))), hh
}

func private(seed []byte) (hpke.PrivateKey, []byte) {
	lattice := must(mlkem.NewDecapsulationKey768(seed[:64]))
	curve := must(ecdh.X25519().NewPrivateKey(seed[64:]))
	key := must(hpke.NewHybridPrivateKey(lattice, curve))
	return key, hash(key.PublicKey().Bytes())[:16]
}

func (m message) info(id []byte) []byte {
	nodes := m.Sender + "\x00" + m.Recipient + "\x00"
	return []byte("xbg/v1/wrap\x00" + nodes + hex.EncodeToString(id))
}

func (m message) open() string {
	key, id := private(must(hex.DecodeString(m.Seed)))
	wrap := must(hex.DecodeString(m.Wrap))
	sealed := must(hex.DecodeString(m.Sealed))
	commitment := must(hex.DecodeString(m.Commitment))
	if wrap[0] != 1 || sealed[0] != 1 || !bytes.Equal(wrap[1:17], id) {
		must(0, fmt.Errorf("another suite or key"))
	}
	secret := must(hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), m.info(id), wrap[17:]))
	aead, hh := box(secret, must(hex.DecodeString(m.Header)), wrap, commitment)
	plain := must(aead.Open(nil, make([]byte, 12), sealed[1:], hh))
	if !hmac.Equal(commit(plain[:32], plain[32:]), commitment) {
		must(0, fmt.Errorf("not the committed payload"))
	}
	return hex.EncodeToString(plain[32:])
}

func (m message) seal() message {
	key, id := private(must(hex.DecodeString(m.Seed)))
	payload, header := must(hex.DecodeString(m.Payload)), must(hex.DecodeString(m.Header))
	random := make([]byte, 64)
	must(rand.Read(random))
	secret, salt := random[:32], random[32:]
	kdf, cipher := hpke.HKDFSHA256(), hpke.AES256GCM()
	sealed := must(hpke.Seal(key.PublicKey(), kdf, cipher, m.info(id), secret))
	wrap := append(append([]byte{1}, id...), sealed...)
	commitment := commit(salt, payload)
	aead, hh := box(secret, header, wrap, commitment)
	body := aead.Seal([]byte{1}, make([]byte, 12), append(salt, payload...), hh)
	m.Wrap, m.Sealed = hex.EncodeToString(wrap), hex.EncodeToString(body)
	m.Commitment = hex.EncodeToString(commitment)
	return m
}

func main() {
	var messages, made []message
	must(0, json.NewDecoder(os.Stdin).Decode(&messages))
	for _, m := range messages {
		if opened := m.open(); opened != m.Payload {
			must(0, fmt.Errorf("opened to %s", opened))
		}
		made = append(made, m.seal())
	}
	must(0, json.NewEncoder(os.Stdout).Encode(made))
}
