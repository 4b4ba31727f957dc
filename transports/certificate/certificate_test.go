package certificate

import (
	"crypto/x509"
	"os"
	"testing"
)

func TestMake(t *testing.T) {
	made, err := Make("chat.example", "192.0.2.7", "0.0.0.0", "")
	if err != nil {
		t.Fatal(err)
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "chat.example": true, "192.0.2.7": true, machine: true,
		"other.example": false, "192.0.2.8": false, "0.0.0.0": false,
	} {
		_, err := made.TLS.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: made.Pool()})
		if got := err == nil; got != want {
			t.Errorf("the certificate is valid for %s: %v, want %v (%v)", host, got, want, err)
		}
	}
	other, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := made.TLS.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: other.Pool()}); err == nil {
		t.Error("whoever trusts one certificate trusts another one too")
	}
}
